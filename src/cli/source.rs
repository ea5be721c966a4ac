//! A file's bytes, decompressed as needed, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::output::is_standard;

/// The longest line that is read: several times what any event, decision or label takes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

const BUFFER_BYTES: usize = 256 * 1024;

/// Opens `path`, or standard input for `-`, whatever it is compressed with: its first bytes tell. `progress` follows
/// the bytes that are read.
///
/// # Errors
/// When the file cannot be opened or read.
pub(super) fn open(path: &Path, progress: &ProgressBar) -> io::Result<Box<dyn BufRead>> {
    let file: Box<dyn Read> = if is_standard(path) {
        Box::new(io::stdin())
    } else {
        let file = File::open(path)?;
        progress.set_length(file.metadata()?.len());
        Box::new(file)
    };
    let mut file = BufReader::with_capacity(BUFFER_BYTES, progress.wrap_read(file));
    let start = file.fill_buf()?;
    let mut plain: Box<dyn BufRead> = if start.starts_with(&[0x1f, 0x8b]) {
        let plain = MultiGzDecoder::new(file);
        Box::new(BufReader::with_capacity(BUFFER_BYTES, plain))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || is_skippable(start) {
        let plain = ZstdFrames::new(file)?;
        Box::new(BufReader::with_capacity(BUFFER_BYTES, plain))
    } else {
        Box::new(file)
    };
    // Some programs begin a text with a mark of its encoding.
    if plain.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
        plain.consume('\u{feff}'.len_utf8());
    }
    Ok(plain)
}

/// A Zstandard file of one or more frames; the library reads one frame at a time.
struct ZstdFrames<R: BufRead> {
    frame: Option<Frame<R>>,
}

/// A frame whose magic number was looked at.
type Frame<R> = StreamingDecoder<io::Chain<Cursor<Magic>, R>, FrameDecoder>;

type Magic = [u8; 4];

/// Whether a frame begins here that holds nothing for us, as `pzstd` writes before each of its own.
const fn is_skippable(start: &[u8]) -> bool {
    matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// The next frame that holds something, if there is one.
fn next_frame<R: BufRead>(mut source: R) -> io::Result<Option<Frame<R>>> {
    while !source.fill_buf()?.is_empty() {
        let mut magic = Magic::default();
        source.read_exact(&mut magic)?;
        if !is_skippable(&magic) {
            let frame = StreamingDecoder::new(Cursor::new(magic).chain(source));
            return frame.map(Some).map_err(io::Error::other);
        }
        let mut length = [0; 4];
        source.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        io::copy(&mut source.by_ref().take(length), &mut io::sink())?;
    }
    Ok(None)
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(source: R) -> io::Result<Self> {
        let frame = next_frame(source)?;
        Ok(Self { frame })
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(frame) = &mut self.frame {
            let read = frame.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            // This frame is over: is there another?
            let Some(finished) = self.frame.take() else {
                break;
            };
            let (_, source) = finished.into_inner().into_inner();
            self.frame = next_frame(source)?;
        }
        Ok(0)
    }
}

/// What is wrong with a line of JSON. Its number is told by whoever reads the file: to the one who reads the line,
/// all of them are the first.
pub(super) fn json_fault(json: &[u8], error: &serde_json::Error) -> String {
    if json.trim_ascii().is_empty() {
        return "the line is empty".to_owned();
    }
    let told = error.to_string();
    match told.rsplit_once(" at line 1 column ") {
        Some((what, "0")) => what.to_owned(),
        Some((what, column)) => format!("{what} at column {column}"),
        None => told,
    }
}

/// A line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// As written, without its end.
    Text(&'a [u8]),
    /// Longer than any event can be; passed over.
    TooLong,
}

/// Reads the next line into `buffer`; `None` at the end of the file.
///
/// # Errors
/// When the file cannot be read or decompressed.
pub(super) fn next_line<'a>(
    source: &mut dyn BufRead,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Option<Line<'a>>> {
    buffer.clear();
    if source.take(LINE_BYTES_MAX).read_until(b'\n', buffer)? == 0 {
        return Ok(None);
    }
    if buffer.last() != Some(&b'\n') && buffer.len() as u64 == LINE_BYTES_MAX {
        source.skip_until(b'\n')?;
        return Ok(Some(Line::TooLong));
    }
    while matches!(buffer.last(), Some(b'\n' | b'\r')) {
        buffer.pop();
    }
    Ok(Some(Line::Text(buffer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_line_feeds_and_too_long_ones_are_passed_over() {
        let long = "x".repeat(LINE_BYTES_MAX.try_into().unwrap()) + "and more";
        let text = format!("one\r\n\n{long}\nlast");
        let mut source = text.as_bytes();
        let mut buffer = Vec::new();
        let mut next = || match next_line(&mut source, &mut buffer).unwrap() {
            None => "end".to_owned(),
            Some(Line::TooLong) => "too long".to_owned(),
            Some(Line::Text(text)) => String::from_utf8(text.to_vec()).unwrap(),
        };
        assert_eq!(
            [next(), next(), next(), next(), next()],
            ["one", "", "too long", "last", "end"]
        );
    }
}
