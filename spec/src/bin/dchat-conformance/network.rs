//! `network`: the cases against a running node.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dchat_spec::actor::peer_text;
use dchat_spec::runner::cases::catalogue;
use dchat_spec::runner::chat::People;
use dchat_spec::runner::group::User;
use dchat_spec::runner::report::{Line, Report};
use dchat_spec::runner::run::run as run_cases;
use dchat_spec::runner::scenario;
use dchat_spec::runner::subject::{Subject, meet, parse_address, parse_invites, parse_room};
use dchat_spec::runner::{Case, Ports};

use crate::args::{Args, Network, Scenario, Whom};
use crate::output;

pub(crate) fn run(args: &Args, wanted: &Network) -> Result<ExitCode, Box<dyn Error>> {
    let cases = catalogue();
    let user = wanted.user.as_deref().map(User::new);
    let (invites, grease) = (&wanted.invite, wanted.grease);
    against(args, &wanted.whom, invites, user, grease, &cases)
}

/// The scenarios against a running node: one at a time, for each needs it whole.
pub(crate) fn scenario(args: &Args, wanted: &Scenario) -> Result<ExitCode, Box<dyn Error>> {
    against(args, &wanted.whom, &[], None, None, &scenario::catalogue())
}

fn against(
    args: &Args,
    whom: &Whom,
    invites: &[String],
    user: Option<User>,
    grease: Option<u64>,
    cases: &[Case],
) -> Result<ExitCode, Box<dyn Error>> {
    let addr = whom.addr.as_deref().ok_or("an address is needed")?;
    let (address, peer) = parse_address(addr)?;
    let room = whom.room.as_deref().map(parse_room).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let subject = Subject {
            address,
            peer: peer.unwrap_or_default(),
            patience: Duration::from_secs(whom.patience.max(1)),
            people: People::default(),
            room,
            user,
            ports: Ports::default(),
        };
        let mut subject = match peer {
            Some(_) => subject,
            None => meet(subject, args.seed()).await?,
        };
        subject.people = parse_invites(invites, &subject.peer)?;
        let subject = Arc::new(subject);
        output::tell(&format!("{} at {address}", peer_text(&subject.peer)));
        if let Some(count) = grease {
            return Ok(many(args, subject, count).await);
        }
        let started = Instant::now();
        let selection = args.selection();
        let chosen: Vec<Case> = cases
            .iter()
            .filter(|case| selection.takes(case))
            .cloned()
            .collect();
        if chosen.is_empty() {
            return Err("no case is chosen".into());
        }
        let tell = |ran: &_| output::ended(&Line::from(ran));
        let ran = run_cases(subject, &chosen, args.plan(), tell).await;
        let report = Report {
            subject: addr.to_owned(),
            seed: args.seed(),
            took: started.elapsed(),
            lines: ran.iter().map(Line::from).collect(),
        };
        output::finish(args, &report)
    })
}

/// Connections of a partner from the future, of which none may fail.
async fn many(args: &Args, subject: Arc<Subject>, count: u64) -> ExitCode {
    let plan = args.plan();
    let tell = |done| output::tell(&format!("{done} connections"));
    let grease = dchat_spec::runner::grease::run(subject, plan.seed, count, plan.jobs, tell).await;
    for (number, fault) in &grease.failed {
        output::print(&format!("FAIL  connection {number}: {fault:?}"));
    }
    output::print(&format!(
        "{} connections with a partner from the future, {} failed, in {:.1} s (seed {})",
        grease.fine + grease.failures,
        grease.failures,
        grease.took.as_secs_f64(),
        plan.seed
    ));
    if grease.failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
