//! The one binary: `ecs-operator SUBCOMMAND`.

fn main() -> anyhow::Result<()> {
    ecs_operator::cli::run()
}
