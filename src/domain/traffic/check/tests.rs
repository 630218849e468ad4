use proptest::prelude::*;

use super::*;

fn check() -> Check {
    Check {
        question: Question::Connect,
        port: None,
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        healthy_threshold: 5,
        unhealthy_threshold: 2,
    }
}

/// A target and the time, which passes as the answers say.
struct Asked {
    checked: Checked,
    now: Timestamp,
    seconds: u64,
}

impl Asked {
    fn new(standing: Standing) -> Self {
        Self {
            checked: Checked::resumed(standing),
            now: Timestamp::UNIX_EPOCH,
            seconds: 0,
        }
    }

    fn answers(&mut self, answer: Result<(), Failure>) -> Standing {
        let pause = self.checked.take(answer, &check(), self.now);
        self.now += SignedDuration::try_from(pause).unwrap();
        self.seconds += pause.as_secs();
        self.checked.standing()
    }
}

#[test]
fn a_new_target_needs_one_success_and_an_unhealthy_one_five() {
    assert_eq!(
        Asked::new(Standing::Initial).answers(Ok(())),
        Standing::Healthy
    );
    let sick = Standing::Unhealthy(Failure::Timeout);
    let mut target = Asked::new(sick);
    for _ in 0..4 {
        assert_eq!(target.answers(Ok(())), sick);
    }
    assert_eq!(target.answers(Ok(())), Standing::Healthy);
}

#[test]
fn a_failure_between_successes_starts_the_row_anew() {
    let sick = Standing::Unhealthy(Failure::Code(503));
    let mut target = Asked::new(sick);
    for _ in 0..4 {
        target.answers(Ok(()));
    }
    target.answers(Err(Failure::Timeout));
    for _ in 0..4 {
        assert_eq!(
            target.answers(Ok(())),
            sick,
            "the first failure stays the reason"
        );
    }
    assert_eq!(target.answers(Ok(())), Standing::Healthy);
    assert_eq!(target.answers(Err(Failure::Code(500))), Standing::Healthy);
    assert_eq!(target.answers(Ok(())), Standing::Healthy);
    assert_eq!(target.answers(Err(Failure::Code(500))), Standing::Healthy);
    assert_eq!(
        target.answers(Err(Failure::Timeout)),
        Standing::Unhealthy(Failure::Timeout)
    );
}

#[test]
fn a_slow_start_is_asked_again_soon_and_judged_only_by_the_interval() {
    let mut target = Asked::new(Standing::Initial);
    let mut pauses = Vec::new();
    while target.answers(Err(Failure::NoAnswer)) == Standing::Initial {
        pauses.push(target.seconds);
    }
    assert_eq!(pauses, [1, 3, 7, 15, 31], "after 1, 2, 4, 8 and 16 seconds");
    assert_eq!(
        target.checked.standing(),
        Standing::Unhealthy(Failure::NoAnswer),
        "the first failure counts, and the one after an interval"
    );
    let mut slow = Asked::new(Standing::Initial);
    for _ in 0..3 {
        slow.answers(Err(Failure::NoAnswer));
    }
    assert_eq!(slow.answers(Ok(())), Standing::Healthy);
}

#[test]
fn codes_are_single_ones_and_ranges() {
    let codes = Codes::read("200-299,301").unwrap();
    assert!(codes.has(200) && codes.has(204) && codes.has(299) && codes.has(301));
    assert!(!codes.has(199) && !codes.has(300) && !codes.has(302));
    for nonsense in ["", "200-", "2xx", "200,,301"] {
        assert_eq!(Codes::read(nonsense), None, "{nonsense}");
    }
}

proptest! {
    /// Health changes only by a whole row of equal answers, whatever came before.
    #[test]
    fn flapping_answers_change_nothing_until_there_are_enough_in_a_row(answers in proptest::collection::vec(any::<bool>(), 1..200)) {
        let mut target = Asked::new(Standing::Healthy);
        let (mut row, mut last) = (0, true);
        for passed in answers {
            let before = target.checked.standing();
            let after = target.answers(if passed { Ok(()) } else { Err(Failure::Timeout) });
            row = if passed == last { row + 1 } else { 1 };
            last = passed;
            if before != after {
                let needed = if passed { 5 } else { 2 };
                prop_assert!(row >= needed, "{row} answers in a row");
            }
            prop_assert!(!(passed && row >= 5) || after == Standing::Healthy);
            prop_assert!(passed || row < 2 || after != Standing::Healthy);
        }
    }
}
