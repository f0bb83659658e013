//! Private groups (`81-groups`). In each case the partner makes a group and the peer's user takes its place
//! there; in the end the peer is put out.

mod body;
mod check;
mod going;
mod join;
mod outcome;
mod say;
mod share;
mod spread;

use core::pin::Pin;
use std::sync::Arc;

use super::super::case::{Case, Kind, Outcome, Profile};
use super::super::group::Company;

pub(super) fn cases() -> Vec<Case> {
    let all = [
        join::cases(),
        spread::cases(),
        check::cases(),
        outcome::cases(),
        say::cases(),
        share::cases(),
        going::cases(),
        body::cases(),
    ];
    all.into_iter()
        .flatten()
        .map(|case| case.profile(Profile::Group))
        .collect()
}

/// What a case does with a group.
type Acting<'c> = Pin<Box<dyn Future<Output = Outcome> + Send + 'c>>;

/// A case of a group that the peer is not invited to yet.
fn outside<A>(
    kind: Kind,
    id: impl Into<String>,
    about: impl Into<String>,
    req: &'static [&'static str],
    act: A,
) -> Case
where
    A: for<'c> Fn(&'c mut Company) -> Acting<'c> + Send + Sync + 'static,
{
    case(kind, id, about, req, act, false)
}

/// A case of a group that the peer is in and linked with the founder.
fn inside<A>(
    kind: Kind,
    id: impl Into<String>,
    about: impl Into<String>,
    req: &'static [&'static str],
    act: A,
) -> Case
where
    A: for<'c> Fn(&'c mut Company) -> Acting<'c> + Send + Sync + 'static,
{
    case(kind, id, about, req, act, true)
}

fn case<A>(
    kind: Kind,
    id: impl Into<String>,
    about: impl Into<String>,
    req: &'static [&'static str],
    act: A,
    is_in: bool,
) -> Case
where
    A: for<'c> Fn(&'c mut Company) -> Acting<'c> + Send + Sync + 'static,
{
    let act = Arc::new(act);
    let id = format!("group/{}", id.into());
    let run = move |partner| {
        let act = Arc::clone(&act);
        async move {
            let mut company = Company::found(&partner).await?;
            let entered = if is_in {
                company.peer_joins().await
            } else {
                Ok(())
            };
            let outcome = match entered {
                Ok(()) => act(&mut company).await,
                Err(fault) => Err(fault),
            };
            company.dissolve().await;
            outcome
        }
    };
    match kind {
        Kind::Positive => Case::positive(id, about, req, run),
        Kind::Negative => Case::negative(id, about, req, run),
    }
}
