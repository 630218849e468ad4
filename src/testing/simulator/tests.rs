use super::*;

#[test]
fn a_seed_decides_everything() {
    let run = |seed| {
        let mut world = World::new(seed, Mutation::None, true);
        let end = world.run(None);
        (end, world.history.suffix(usize::MAX), world.api.version())
    };
    assert_eq!(run(7), run(7));
}
