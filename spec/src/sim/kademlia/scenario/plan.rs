//! What a run is asked to do, and what it says.

use std::str::FromStr;

use super::super::adversary::Conduct;

/// The scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Nobody comes or goes; or, with churn, everybody does.
    Steady,
    /// A hundred attackers have ids next to each of some keys under which records are.
    Grind,
    /// Ten thousand ids of two subnets go for one node that restarts, again and again.
    Eclipse,
    /// Records without their publishers, for days.
    Durability,
    /// Half of the network leaves at once.
    MassExit,
    /// Two halves do not reach each other for a while.
    Partition,
    /// Nodes join that know one other.
    Join,
    /// Half as many nodes again join within a minute.
    Flash,
    /// Everybody starts at once; then half leave.
    Crowd,
    /// Floods of questions and of records.
    BadInput,
}

impl Scenario {
    /// All, with their names on the command line.
    pub const ALL: [(&'static str, Self); 10] = [
        ("steady", Self::Steady),
        ("grind", Self::Grind),
        ("eclipse", Self::Eclipse),
        ("durability", Self::Durability),
        ("mass-exit", Self::MassExit),
        ("partition", Self::Partition),
        ("join", Self::Join),
        ("flash", Self::Flash),
        ("crowd", Self::Crowd),
        ("bad-input", Self::BadInput),
    ];
}

impl FromStr for Scenario {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, scenario)| *scenario).ok_or(())
    }
}

/// What to run. `None` leaves a number to the scenario.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which scenario.
    pub scenario: Scenario,
    /// Servers, attackers included, that run at a time.
    pub nodes: u32,
    /// Of everything random.
    pub seed: u64,
    /// Median session in minutes; none without churn.
    pub churn_median_min: Option<f64>,
    /// Part of the nodes that is hostile, below 0.9.
    pub hostile: f64,
    /// What these do.
    pub conduct: Conduct,
    /// Lookups, or what the scenario counts instead.
    pub lookups: Option<u32>,
    /// Virtual hours that are measured.
    pub hours: Option<f64>,
}

/// What came of it. Fractions are 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Servers at the end.
    pub nodes: u32,
    /// Lookups, gets included.
    pub lookups: u64,
    /// Part of the gets that returned the stored value; without gets, part of the lookups that
    /// returned the nearest live node.
    pub success: f64,
    /// Part of the lookups that returned exactly the 20 nearest live nodes.
    pub exact20: f64,
    /// Part of the 20 nearest that lookups returned, on average.
    pub overlap20_mean: f64,
    /// Answers in the longest chain that led to the nearest node, on average.
    pub hops_mean: f64,
    /// The same, 99th percentile.
    pub hops_p99: u32,
    /// Calls of a lookup.
    pub rpcs_mean: f64,
    /// Milliseconds a lookup took, median.
    pub latency_ms_p50: u32,
    /// The same, 95th percentile.
    pub latency_ms_p95: u32,
    /// Part of the nodes named in answers that were gone.
    pub stale_served: f64,
    /// Bytes a node sends in a second, headers included, apart from the measured lookups.
    pub bytes_per_node_s: f64,
    /// Part of the contacts of honest nodes that are hostile, over the part of the nodes that are;
    /// 0 when none is.
    pub capture_ratio: f64,
    /// BLAKE3 over all events.
    pub trace_hash: [u8; 32],
    /// Numbers of the scenario's own.
    pub more: Vec<(&'static str, f64)>,
}
