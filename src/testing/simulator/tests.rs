use super::outage::outage_with;
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

#[test]
fn an_hour_without_the_api_shows_mistakes_as_well() {
    for (mutation, promise) in [
        (Mutation::AlwaysStartAgain, "S3"),
        (Mutation::EssentialIsNot, "O2"),
    ] {
        let broken = (0..60).find_map(|seed| outage_with(mutation, seed).err());
        let what = broken.map_or_else(|| "nothing".to_owned(), |broken| broken.what);
        assert!(what.starts_with(promise), "{mutation:?}: {what}");
    }
}
