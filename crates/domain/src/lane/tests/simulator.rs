//! The lane against the world: a model of Kafka, the group and the provider, in which everything that can be late,
//! lost, doubled or cut off at any point is so, by chance and shrinkable. The promises are checked at every step:
//!
//! - P1: in the end, under one healthy owner, every delivery of every record has its outcome, and one only unless a
//!   loss or a copy excuses another.
//! - P2: a copy beyond the first has a cause: a death, a loss or a lost reply before the receipt was durable.
//! - P3: no commit and no progress ever passes work that is not durably settled.
//! - P6: nobody reads on behind unsettled work, nor where an owner before met a lost end, unless an operator accepted it.

mod checks;
mod group;
mod kafka;
mod process;
mod world;

use proptest::{collection::vec, prelude::*};

use self::{kafka::Shape, world::World};

/// One thing that happens. `at` is a process, `p` a partition; other numbers choose among what there is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Append {
        p: usize,
        key: u8,
        shape: Shape,
    },
    Poll {
        at: usize,
        count: usize,
    },
    Begin {
        at: usize,
        which: usize,
    },
    Reach {
        at: usize,
        which: usize,
    },
    Answer {
        at: usize,
        which: usize,
        how: u8,
    },
    Durable {
        at: usize,
        which: usize,
        count: usize,
    },
    Acknowledge {
        at: usize,
        count: usize,
    },
    TimeOut {
        at: usize,
        which: usize,
        written: bool,
    },
    Commit {
        at: usize,
        applied: bool,
        answered: bool,
    },
    Tail {
        at: usize,
    },
    Restore {
        at: usize,
    },
    Reply {
        at: usize,
    },
    /// A healthy stretch: everything waiting is done, attempts end as said.
    Flow {
        at: usize,
        how: u8,
    },
    Advance {
        millis: u64,
    },
    Assign {
        p: usize,
        at: usize,
    },
    Revoke {
        p: usize,
    },
    /// The group gives up on a process that does not know it yet.
    Steal {
        at: usize,
    },
    /// The partition goes to the other process in order, past the drain's deadline, and that one has so much time.
    HandOver {
        p: usize,
        millis: u64,
    },
    /// It is expelled, learns it, and gets its partitions back, while its attempts run on.
    Rejoin {
        at: usize,
    },
    Lost {
        at: usize,
    },
    Crash {
        at: usize,
        chance: u32,
    },
    Stop {
        at: usize,
    },
    MoveCommit {
        p: usize,
        to: usize,
    },
    DropHead {
        p: usize,
        count: i64,
    },
    /// The broker refuses the position of the one who reads: the topic lost its end and has grown again.
    Cut {
        p: usize,
    },
    Accept {
        p: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let at = || 0..2usize;
    let p = || 0..2usize;
    let which = || 0..4usize;
    let times =
        prop_oneof![Just(10u64), Just(300), Just(1_500), Just(6_000), Just(31_000), Just(130_000), Just(93_600_000)];
    let shape = prop_oneof![
        5 => Just(Shape::Plain),
        1 => Just(Shape::Two),
        2 => Just(Shape::Expiring),
        1 => Just(Shape::OtherContent),
        1 => Just(Shape::InvalidToo),
        1 => Just(Shape::Misplaced),
        1 => Just(Shape::Malformed),
    ];
    prop_oneof![
        6 => (p(), 0..4u8, shape).prop_map(|(p, key, shape)| Action::Append { p, key, shape }),
        6 => (at(), 1..4usize).prop_map(|(at, count)| Action::Poll { at, count }),
        6 => (at(), which()).prop_map(|(at, which)| Action::Begin { at, which }),
        3 => (at(), which()).prop_map(|(at, which)| Action::Reach { at, which }),
        8 => (at(), which(), 0..12u8).prop_map(|(at, which, how)| Action::Answer { at, which, how }),
        6 => (at(), which(), 1..4usize).prop_map(|(at, which, count)| Action::Durable { at, which, count }),
        6 => (at(), 1..4usize).prop_map(|(at, count)| Action::Acknowledge { at, count }),
        1 => (at(), which(), any::<bool>()).prop_map(|(at, which, written)| Action::TimeOut { at, which, written }),
        4 => (at(), prop::bool::weighted(0.9), prop::bool::weighted(0.9))
            .prop_map(|(at, applied, answered)| Action::Commit { at, applied, answered }),
        3 => at().prop_map(|at| Action::Tail { at }),
        3 => at().prop_map(|at| Action::Restore { at }),
        3 => at().prop_map(|at| Action::Reply { at }),
        8 => (at(), 0..12u8).prop_map(|(at, how)| Action::Flow { at, how }),
        8 => times.prop_map(|millis| Action::Advance { millis }),
        6 => (p(), at()).prop_map(|(p, at)| Action::Assign { p, at }),
        4 => p().prop_map(|p| Action::Revoke { p }),
        1 => at().prop_map(|at| Action::Steal { at }),
        3 => (p(), prop_oneof![Just(0u64), Just(31_000)]).prop_map(|(p, millis)| Action::HandOver { p, millis }),
        2 => at().prop_map(|at| Action::Rejoin { at }),
        2 => at().prop_map(|at| Action::Lost { at }),
        3 => (at(), any::<u32>()).prop_map(|(at, chance)| Action::Crash { at, chance }),
        1 => at().prop_map(|at| Action::Stop { at }),
        1 => (p(), 0..12usize).prop_map(|(p, to)| Action::MoveCommit { p, to }),
        1 => (p(), 1..3i64).prop_map(|(p, count)| Action::DropHead { p, count }),
        1 => p().prop_map(|p| Action::Cut { p }),
        1 => p().prop_map(|p| Action::Accept { p }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn every_interleaving_keeps_the_promises(actions in vec(action(), 0..260)) {
        let mut world = World::new();
        actions.iter().for_each(|action| world.play(*action));
        world.calm_down();
        world.check_the_end();
    }
}
