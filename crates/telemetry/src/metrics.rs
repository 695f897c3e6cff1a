//! Metrics are declared once, with their help text as doc comment, and registered on an injected registry.

mod lint;

pub use lint::lint;

/// Bucket edges in seconds, one list per kind of wait. All rise; every list is cheap enough to carry a label.
pub mod buckets {
    /// One HTTP request, or one acknowledged write to Kafka: 1 ms to 30 s.
    pub const REQUEST: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
    /// One attempt at a provider: 5 ms to 5 min.
    pub const ATTEMPT: &[f64] =
        &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
    /// From an event's append (or `not_before`) to its outcome: 50 ms to a day, with an edge at 60 s for the objective
    /// that is written in minutes.
    pub const LATENCY: &[f64] =
        &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];
    /// Reading a partition's ledger after an assignment: 10 ms to 10 min.
    pub const RESTORE: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
}

/// Declares a struct of metrics; the doc comment of each is its help text, `postrider_` is put before its name.
///
/// Kinds: `IntCounter`, `IntGauge`, `Gauge`, `Histogram`, and each with `Vec["label", …]`. A histogram takes its
/// edges after `in`; without, Prometheus' own defaults. `register(&Registry)` makes and registers them all; it fails
/// if one of the names is taken. A metric without labels exists at 0 from then on; preset the others.
///
/// ```
/// use postrider_telemetry::{Registry, metrics, metrics::buckets};
///
/// metrics! {
///     /// What the post office counts.
///     pub struct OfficeMetrics;
///     /// Letters that came in.
///     letters_total: IntCounterVec["kind"],
///     /// Time at the counter.
///     counter_duration_seconds: Histogram in buckets::REQUEST,
/// }
///
/// let registry = Registry::new();
/// let metrics = OfficeMetrics::register(&registry).expect("the names are free");
/// metrics.letters_total.with_label_values(&["express"]).inc();
/// assert_eq!(registry.gather()[1].name(), "postrider_letters_total");
/// ```
#[macro_export]
macro_rules! metrics {
    (
        $(#[$meta:meta])*
        $vis:vis struct $set:ident;
        $( $(#[doc = $help:literal])+ $name:ident : $kind:ident $([$($label:literal),+ $(,)?])? $(in $buckets:expr)? ),+ $(,)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $set {
            $( $(#[doc = $help])+ pub $name: $crate::prometheus::$kind, )+
        }

        impl $set {
            /// Makes every metric and registers it.
            ///
            /// # Errors
            /// One of the names is taken in this registry.
            $vis fn register(registry: &$crate::Registry) -> ::std::result::Result<Self, $crate::prometheus::Error> {
                $(
                    let name = ::std::concat!("postrider_", ::std::stringify!($name));
                    let help = ::std::concat!($($help),+).trim();
                    let $name = $crate::metrics!(@new $kind, name, help, [$($($label),+)?] $(, $buckets)?)?;
                    registry.register(::std::boxed::Box::new($name.clone()))?;
                )+
                ::std::result::Result::Ok(Self { $($name),+ })
            }
        }
    };
    (@new Histogram, $name:ident, $help:ident, [] $(, $buckets:expr)?) => {
        $crate::prometheus::Histogram::with_opts(
            $crate::prometheus::HistogramOpts::new($name, $help)$(.buckets($buckets.to_vec()))?
        )
    };
    (@new HistogramVec, $name:ident, $help:ident, [$($label:literal),+] $(, $buckets:expr)?) => {
        $crate::prometheus::HistogramVec::new(
            $crate::prometheus::HistogramOpts::new($name, $help)$(.buckets($buckets.to_vec()))?,
            &[$($label),+],
        )
    };
    (@new $kind:ident, $name:ident, $help:ident, []) => {
        $crate::prometheus::$kind::with_opts($crate::prometheus::Opts::new($name, $help))
    };
    (@new $kind:ident, $name:ident, $help:ident, [$($label:literal),+]) => {
        $crate::prometheus::$kind::new($crate::prometheus::Opts::new($name, $help), &[$($label),+])
    };
}

#[cfg(test)]
mod tests;
