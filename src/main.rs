//! The `doublecheck` program.

fn main() -> std::process::ExitCode {
    doublecheck::cli::run()
}
