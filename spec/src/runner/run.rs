//! Running cases beside each other.
//!
//! Cases that take long begin first, so that a run takes little longer than the longest of them.
//! A case that needs the node for itself ([`Case::alone`]) runs when all others are done, the longest
//! last.

use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::case::{Case, Fault, Verdict};
use super::partner::Partner;
use super::subject::Subject;

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Cases at a time.
    pub jobs: usize,
    /// Of everything random.
    pub seed: u64,
    /// How many rounds.
    pub rounds: u64,
}

/// Longer than any case takes whose every wait runs out.
const CASE_DEADLINE: Duration = Duration::from_secs(300);

/// How one run of a case ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The case.
    pub case: Case,
    /// In which round, from 0.
    pub round: u64,
    /// How.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

/// Runs all cases in each round, and tells of each as it ends. The result is in the order of `cases`,
/// round by round.
pub async fn run(
    subject: Arc<Subject>,
    cases: &[Case],
    plan: Plan,
    mut tell: impl FnMut(&Ran),
) -> Vec<Ran> {
    let mut all = Vec::new();
    for round in 0..plan.rounds {
        let mut order: Vec<usize> = (0..cases.len()).collect();
        order.sort_by_key(|&index| core::cmp::Reverse(cases[index].takes));
        let (mut alone, beside): (Vec<usize>, Vec<usize>) =
            order.into_iter().partition(|&index| cases[index].is_alone);
        // What takes long here is what leaves the most behind.
        alone.sort_by_key(|&index| cases[index].takes);
        let mut ran = Vec::new();
        some(
            &subject, cases, &beside, plan, round, plan.jobs, &mut ran, &mut tell,
        )
        .await;
        some(&subject, cases, &alone, plan, round, 1, &mut ran, &mut tell).await;
        ran.sort_by_key(|(index, _)| *index);
        all.extend(ran.into_iter().map(|(_, ran)| ran));
    }
    all
}

#[expect(clippy::too_many_arguments, reason = "the two halves of one round")]
async fn some(
    subject: &Arc<Subject>,
    cases: &[Case],
    order: &[usize],
    plan: Plan,
    round: u64,
    jobs: usize,
    ran: &mut Vec<(usize, Ran)>,
    tell: &mut impl FnMut(&Ran),
) {
    let places = Arc::new(Semaphore::new(jobs.max(1)));
    let mut tasks = JoinSet::new();
    for &index in order {
        let (case, places) = (cases[index].clone(), Arc::clone(&places));
        let partner = Partner::new(Arc::clone(subject), plan.seed, &case.id, round);
        tasks.spawn(async move {
            // Never closed.
            let _place = places.acquire().await.ok();
            (index, one(case, partner, round).await)
        });
    }
    while let Some(joined) = tasks.join_next().await {
        if let Ok((index, result)) = joined {
            tell(&result);
            ran.push((index, result));
        }
    }
}

async fn one(case: Case, partner: Partner, round: u64) -> Ran {
    let started = Instant::now();
    let running = {
        let case = case.clone();
        tokio::spawn(async move { timeout(CASE_DEADLINE, case.run(partner)).await })
    };
    let verdict = match running.await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(_)) => case.verdict(Fault::new("an end of the case", "none in time")),
        // A bug of the runner's is not to pass for a peer that is right.
        Err(error) => case.verdict(Fault::new(
            "a runner that runs the case",
            format!("a fault of its own: {error}"),
        )),
    };
    Ran {
        case,
        round,
        verdict,
        took: started.elapsed(),
    }
}
