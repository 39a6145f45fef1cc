//! Parse, run, exit code; everything else is in the library.

fn main() -> std::process::ExitCode {
    portreeve::cli::main()
}
