-- Scores one payment and remembers it. KEYS: the account, a sorted set by time.
-- ARGV: now (ms), the amount (minor units), the payee, the payment id.
-- Answers 1 for a duplicate or more than a limit, else 0; then count and sum of each window.
local now, same = tonumber(ARGV[1]), ARGV[2] .. '|' .. ARGV[3] .. '|'
local spans, limits = {60000, 600000, 3600000, 86400000}, {1000, 1000, 1000, 1000}
local counts, sums, refused = {0, 0, 0, 0}, {0, 0, 0, 0}, 0

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - spans[4])
local rows = redis.call('ZREVRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for nth = 1, #rows, 2 do
  local row, age = rows[nth], now - tonumber(rows[nth + 1])
  if age < 120000 and string.sub(row, 1, #same) == same then refused = 1 end
  local amount = tonumber(string.match(row, '^%d+'))
  for window = 4, 1, -1 do
    if age >= spans[window] then break end
    counts[window] = counts[window] + 1
    sums[window] = sums[window] + amount
  end
end
for window = 1, 4 do
  if counts[window] > limits[window] then refused = 1 end
end
redis.call('ZADD', KEYS[1], now, same .. ARGV[4])
redis.call('PEXPIRE', KEYS[1], spans[4])
return {refused, counts[1], sums[1], counts[2], sums[2], counts[3], sums[3], counts[4], sums[4]}
