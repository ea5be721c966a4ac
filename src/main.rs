//! The `doublecheck` program.

use mimalloc::MiMalloc;

/// Decoding a call and encoding its answer are small allocations by the dozen, each freed on the thread
/// that made it: what mimalloc is quickest at. `.cargo/config.toml` has it ask for large pages.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    doublecheck::cli::run()
}
