//! The plugin of kubectl: `kubectl ecs SUBCOMMAND`.

fn main() -> anyhow::Result<std::process::ExitCode> {
    ecs_operator::cli::kubectl::run()
}
