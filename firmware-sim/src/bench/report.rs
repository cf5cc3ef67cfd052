//! What came of a run, for people and for programs.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::plan::{Load, Pace, Plan};
use super::tally::Tally;

/// Share of a core above which the generator may have been the limit.
const OWN_CPU_MAX: f64 = 0.4;

/// Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Publishes it is of.
    pub count: u64,
    /// Half of them took no longer.
    pub p50: f64,
    /// Of 10, 9.
    pub p90: f64,
    /// Of 100, 99.
    pub p99: f64,
    /// Of 1,000, 999.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
    /// On average.
    pub mean: f64,
}

impl Latency {
    pub(super) fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let ms = |ns: u64| ns as f64 / 1e6;
        let at = |quantile| ms(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: ms(histogram.max()),
            mean: histogram.mean() / 1e6,
        })
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What was asked for, in words.
    pub plan: String,
    /// Connections that were made, of all roles.
    pub connected: u64,
    /// Connections that were refused or never answered.
    pub refused: u64,
    /// From the first connect to the last answer, ms.
    pub connect_ms: f64,
    /// Publishes sent in the whole run.
    pub sent: u64,
    /// Of those, acknowledged.
    pub acked: u64,
    /// Copies that arrived at subscribers, all together.
    pub delivered: u64,
    /// Copies that never did.
    pub missing: u64,
    /// Halos received, when halos were subscribed to; `delivered` and `missing` are then the frames they count.
    pub halos: u64,
    /// Deliveries that are not of this run.
    pub strangers: u64,
    /// Slow readers whose connection the broker has closed.
    pub slow_readers_closed: u64,
    /// Mean bytes of a payload.
    pub payload_bytes: f64,
    /// Measured time, s.
    pub seconds: f64,
    /// Acknowledgements a second of measured time.
    pub acks_per_s: f64,
    /// Deliveries a second of measured time.
    pub deliveries_per_s: f64,
    /// From due to acknowledged.
    pub ack_ms: Option<Latency>,
    /// From due to delivered, or counted in by a halo.
    pub delivery_ms: Option<Latency>,
    /// Processor time of the generator's thread over measured time: 1 = one core. Absent where the system does not say.
    pub own_cpu: Option<f64>,
}

/// What only the engine knows.
pub(super) struct Run {
    pub(super) connected: u64,
    pub(super) refused: u64,
    pub(super) connecting: Duration,
    pub(super) measured: Duration,
    pub(super) own_cpu: Option<f64>,
}

impl Report {
    pub(super) fn new(plan: &Plan, run: &Run, tally: &Tally) -> Self {
        let seconds = run.measured.as_secs_f64();
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let of_halos = tally.halos > 0;
        let delivered = if of_halos { tally.counted } else { tally.delivered };
        let wanted = tally.sent * if of_halos { 1 } else { plan.subscribers as u64 };
        Self {
            plan: words(plan),
            connected: run.connected,
            refused: run.refused,
            connect_ms: run.connecting.as_secs_f64() * 1e3,
            sent: tally.sent,
            acked: tally.acked,
            delivered,
            missing: wanted.saturating_sub(delivered),
            halos: tally.halos,
            strangers: tally.strangers,
            slow_readers_closed: tally.slow_closed,
            payload_bytes: tally.sent_bytes as f64 / tally.sent.max(1) as f64,
            seconds,
            acks_per_s: rate(tally.acked_in_time),
            deliveries_per_s: rate(tally.delivered_in_time),
            ack_ms: Latency::of(&tally.acks),
            delivery_ms: Latency::of(&tally.deliveries),
            own_cpu: run.own_cpu,
        }
    }

    /// Whether everything that was sent was acknowledged and delivered.
    pub fn is_complete(&self) -> bool {
        self.acked == self.sent && self.missing == 0
    }
}

fn words(plan: &Plan) -> String {
    let load = match &plan.load {
        Load::Frames { kinds, period, fill_to, .. } => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            let fill = fill_to.map_or_else(String::new, |bytes| format!(" filled to {bytes} B"));
            format!("frames of {} s{fill} ({})", period.as_secs(), kinds.join(", "))
        }
        Load::Opaque { bytes, prefix } => format!("{bytes} B to {prefix}/…"),
    };
    let pace = match plan.pace {
        Pace::Closed { window, credit } => format!("window {window} until {credit:?}").to_lowercase(),
        Pace::Open { rate } => format!("{rate} /s open loop"),
        Pace::Idle => "idle".to_owned(),
    };
    let devices = if plan.devices == plan.connections { String::new() } else { format!(", {} devices", plan.devices) };
    let slow = if plan.slow_readers == 0 { String::new() } else { format!(", {} slow readers", plan.slow_readers) };
    let (connections, subscribers) = (plan.connections, plan.subscribers);
    format!("{connections} connections{devices}, {load}, {pace}, {subscribers} subscribers{slow}")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.plan)?;
        writeln!(f, "connected     {} in {:.0} ms, {} refused", self.connected, self.connect_ms, self.refused)?;
        writeln!(f, "sent          {} ({:.0} B each), acknowledged {}", self.sent, self.payload_bytes, self.acked)?;
        writeln!(f, "acknowledged  {:.0} /s over {:.1} s", self.acks_per_s, self.seconds)?;
        if self.delivered + self.missing > 0 {
            let (rate, delivered, missing) = (self.deliveries_per_s, self.delivered, self.missing);
            writeln!(f, "delivered     {rate:.0} /s, {delivered} in all, {missing} missing")?;
        }
        if self.halos > 0 {
            writeln!(f, "halos         {}", self.halos)?;
        }
        if self.slow_readers_closed > 0 {
            writeln!(f, "slow readers  {} were closed by the broker", self.slow_readers_closed)?;
        }
        writeln!(f, "ms from due            p50       p90       p99     p99.9       max")?;
        for (name, latency) in [("acknowledgement", &self.ack_ms), ("delivery", &self.delivery_ms)] {
            if let Some(Latency { p50, p90, p99, p999, max, .. }) = latency {
                writeln!(f, "  {name:15} {p50:9.3} {p90:9.3} {p99:9.3} {p999:9.3} {max:9.3}")?;
            }
        }
        match self.own_cpu {
            Some(own) if own > OWN_CPU_MAX => {
                write!(f, "generator     {:.0} % of a core: compare with --null-sink, it may be the limit", own * 100.0)
            }
            Some(own) => write!(f, "generator     {:.0} % of a core", own * 100.0),
            None => write!(f, "generator     processor time unknown"),
        }
    }
}
