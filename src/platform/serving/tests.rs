//! Examples of what is decided about a certificate as time passes.

use jiff::{SignedDuration, Timestamp};

use super::identity::{Identity, Verdict, bundle, decide, roots};

fn names() -> Vec<String> {
    vec!["gateway.ecs.svc".to_owned(), "gateway.ecs".to_owned()]
}

fn day(number: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap() + SignedDuration::from_hours(24 * number)
}

#[test]
fn a_server_without_an_identity_makes_one_and_keeps_it() {
    assert_eq!(decide(None, &names(), day(0)), Verdict::Create);
    let made = Identity::create(&names(), day(0)).unwrap();
    assert_eq!(decide(Some(&made), &names(), day(0)), Verdict::Keep);
    assert_eq!(decide(Some(&made), &names(), day(59)), Verdict::Keep);
}

#[test]
fn a_certificate_is_renewed_a_month_before_its_end_by_the_same_authority() {
    let made = Identity::create(&names(), day(0)).unwrap();
    assert_eq!(decide(Some(&made), &names(), day(60)), Verdict::Renew);
    let renewed = made.renew(&names(), day(60)).unwrap();
    assert_eq!(renewed.authority, made.authority);
    assert_ne!(renewed.certificate, made.certificate);
    assert_eq!(decide(Some(&renewed), &names(), day(60)), Verdict::Keep);
}

#[test]
fn a_server_that_was_renamed_gets_another_certificate() {
    let made = Identity::create(&names(), day(0)).unwrap();
    let renamed = ["gateway.other.svc".to_owned()];
    assert_eq!(decide(Some(&made), &renamed, day(0)), Verdict::Renew);
}

#[test]
fn an_authority_is_replaced_a_month_before_its_end_and_both_are_trusted_until_then() {
    let old = Identity::create(&names(), day(0)).unwrap();
    assert_eq!(decide(Some(&old), &names(), day(3619)), Verdict::Renew);
    assert_eq!(decide(Some(&old), &names(), day(3620)), Verdict::Create);
    let new = Identity::create(&names(), day(3620)).unwrap();
    let both = bundle(&new.authority, &old.authority, day(3620));
    assert_eq!(roots(&both).unwrap().len(), 2);
    assert_eq!(bundle(&new.authority, &both, day(3621)), both);
    assert_eq!(
        roots(&bundle(&new.authority, &both, day(3651)))
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn whatever_does_not_fit_together_is_made_anew() {
    let ours = Identity::create(&names(), day(0)).unwrap();
    let other = Identity::create(&names(), day(1)).unwrap();
    let judged = |identity: Identity| decide(Some(&identity), &names(), day(1));
    let strange_authority_key = Identity {
        authority_key: other.authority_key.clone(),
        ..ours.clone()
    };
    assert_eq!(judged(strange_authority_key), Verdict::Create);
    let broken_authority = Identity {
        authority: "nonsense".to_owned(),
        ..ours.clone()
    };
    assert_eq!(judged(broken_authority), Verdict::Create);
    let strange_key = Identity {
        key: other.key.clone(),
        ..ours.clone()
    };
    assert_eq!(judged(strange_key), Verdict::Renew);
    let of_another_authority = Identity {
        certificate: other.certificate,
        key: other.key,
        ..ours
    };
    assert_eq!(judged(of_another_authority), Verdict::Renew);
}

#[test]
fn a_certificate_from_the_future_is_renewed_and_an_authority_from_the_future_replaced() {
    let mut made = Identity::create(&names(), day(0)).unwrap();
    assert_eq!(decide(Some(&made), &names(), day(-1)), Verdict::Create);
    made = made.renew(&names(), day(10)).unwrap();
    assert_eq!(decide(Some(&made), &names(), day(5)), Verdict::Renew);
}
