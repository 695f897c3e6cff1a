use super::buckets;
use crate::Registry;

crate::metrics! {
    /// One of each kind.
    struct Sample;
    /// Things that happened,
    /// told in two lines.
    things_total: IntCounter,
    /// Things by kind.
    kinds_total: IntCounterVec["lane", "kind"],
    /// Things at hand.
    things: IntGauge,
    /// Things at hand by lane.
    lane_things: IntGaugeVec["lane"],
    /// Age of the oldest.
    age_seconds: Gauge,
    /// Age of the oldest by lane.
    lane_age_seconds: GaugeVec["lane"],
    /// Time one took.
    took_seconds: Histogram,
    /// Time one took, by lane.
    lane_took_seconds: HistogramVec["lane"] in buckets::LATENCY,
}

#[test]
fn every_kind_registers_with_prefix_and_help() {
    let registry = Registry::new();
    let sample = Sample::register(&registry).unwrap();
    sample.kinds_total.with_label_values(&["email", "good"]).inc();
    sample.lane_things.with_label_values(&["email"]).set(2);
    sample.lane_age_seconds.with_label_values(&["email"]).set(0.5);
    sample.lane_took_seconds.with_label_values(&["email"]).observe(59.0);
    sample.things_total.inc();
    sample.things.set(1);
    sample.age_seconds.set(1.0);
    sample.took_seconds.observe(0.1);

    let families = registry.gather();
    assert_eq!(families.len(), 8);
    assert!(families.iter().all(|family| family.name().starts_with("postrider_")));
    let things = families.iter().find(|family| family.name() == "postrider_things_total").unwrap();
    assert_eq!(things.help(), "Things that happened, told in two lines.");
    let took = families.iter().find(|family| family.name() == "postrider_lane_took_seconds").unwrap();
    let edges: Vec<f64> = took.get_metric()[0].get_histogram().get_bucket().iter().map(|b| b.upper_bound()).collect();
    assert_eq!(edges, buckets::LATENCY);
}

#[test]
fn a_name_that_is_taken_is_an_error() {
    let registry = Registry::new();
    Sample::register(&registry).unwrap();
    assert!(Sample::register(&registry).is_err());
}

#[test]
fn edges_rise_and_latencies_have_one_at_a_minute() {
    for edges in [buckets::REQUEST, buckets::ATTEMPT, buckets::LATENCY, buckets::RESTORE] {
        assert!(edges.is_sorted_by(|a, b| a < b), "{edges:?}");
    }
    assert!(buckets::LATENCY.contains(&60.0));
}

crate::metrics! {
    struct Bad;
    /// no sentence
    letters: IntCounter,
    /// A gauge that poses as a counter.
    letters_total: IntGauge,
    /// A time in the wrong unit.
    letter_duration_ms: Histogram,
}

#[test]
fn names_against_the_conventions_are_found() {
    let registry = Registry::new();
    Sample::register(&registry).unwrap();
    assert_eq!(super::lint(&registry), Vec::<String>::new());
    let registry = Registry::new();
    let bad = Bad::register(&registry).unwrap();
    bad.letters.inc();
    bad.letters_total.set(1);
    bad.letter_duration_ms.observe(1.0);
    assert_eq!(
        super::lint(&registry),
        [
            "postrider_letter_duration_ms: is not in a base unit: seconds or bytes",
            "postrider_letter_duration_ms: is a time and does not end in _seconds",
            "postrider_letters: has no help text that is a sentence",
            "postrider_letters: counters, and only they, end in _total",
            "postrider_letters_total: counters, and only they, end in _total",
        ]
    );
}
