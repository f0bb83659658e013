//! What newcomers may read (`81-groups` §5.3), and what the peer's user is shown (§3.3 and §5.1).

use super::super::super::bodies::group::{LogCut, deed};
use super::super::super::case::{Case, Fault, Kind, Outcome, expect};
use super::super::super::group::Company;
use super::inside;

pub(super) fn cases() -> Vec<Case> {
    let late: [(&str, &str, Option<&'static str>, usize); 4] = [
        (
            "by-default",
            "nothing that was said before, when the policy says nothing",
            None,
            2,
        ),
        (
            "none",
            "nothing that was said before, by late=none",
            Some("late=none"),
            2,
        ),
        ("one", "the newest message, by late=1", Some("late=1"), 1),
        ("all", "everything, by late=all", Some("late=all"), 0),
    ];
    let mut cases: Vec<Case> = late
        .into_iter()
        .map(|(slug, about, policy, first)| {
            inside(
                if first == 0 {
                    Kind::Positive
                } else {
                    Kind::Negative
                },
                format!("late-{slug}"),
                format!("a newcomer can read {about}, and what is said from then on"),
                &["DC-GROUP-020"],
                move |company: &mut Company| Box::pin(newcomer(company, policy, first)),
            )
        })
        .collect();
    cases.extend([
        inside(
            Kind::Positive,
            "show",
            "what a member says is shown, once its session was handed over",
            &["DC-GROUP-014", "DC-GROUP-009"],
            |company| {
                Box::pin(async move {
                    let export = company.founder.sender.0.export();
                    company.founder.hands(export).await?;
                    company.founder.says("handed over before").await;
                    shown(company, "handed over before").await
                })
            },
        ),
        inside(
            Kind::Positive,
            "show-when-the-session-comes",
            "an item that cannot be read stays sealed, and is shown when its session comes",
            &["DC-GROUP-014"],
            |company| {
                Box::pin(async move {
                    let export = company.founder.sender.0.export();
                    company.founder.says("handed over after").await;
                    company.founder.held().await?;
                    company.founder.hands(export).await?;
                    shown(company, "handed over after").await
                })
            },
        ),
        inside(
            Kind::Negative,
            "session-of-another",
            "a session that another member handed over reads no item of its author",
            &["DC-GROUP-014"],
            |company| Box::pin(session_of_another(company)),
        ),
        inside(
            Kind::Negative,
            "beyond-the-cut",
            "of what a removed member wrote nothing is shown beyond the cut",
            &["DC-GROUP-009", "DC-GROUP-007"],
            |company| Box::pin(beyond_the_cut(company)),
        ),
        inside(
            Kind::Negative,
            "removed-log-left-out",
            "of a log that a cut leaves out nothing is shown",
            &["DC-GROUP-009", "DC-GROUP-007"],
            |company| Box::pin(left_out(company)),
        ),
    ]);
    cases
}

/// Two things are said, somebody comes, and a third is said. `first` is the first that it can read.
async fn newcomer(company: &mut Company, policy: Option<&str>, first: usize) -> Outcome {
    if let Some(policy) = policy {
        let set = company.says(deed::POLICY, policy);
        company.founder.teaches(&set).await?;
    }
    let texts = ["the first", "the second", "the third"];
    let key = company.peer_key()?;
    let mut said = Vec::new();
    for text in &texts[..2] {
        company.user_does("say", &[text]).await?;
        said.push(company.founder.reads(&key, text).await?);
    }
    let mut newcomer = company.befriends().await?;
    company.user_does("say", &[texts[2]]).await?;
    said.push(company.founder.reads(&key, texts[2]).await?);
    for text in &texts[first..] {
        newcomer.reads(&key, text).await?;
    }
    // All there is has come: the third is handed over last.
    for (said, text) in said.iter().zip(&texts[..first]) {
        let handed = newcomer.sessions().await?;
        let mut of_it = handed
            .iter()
            .filter(|one| one.session() == said.handed.session());
        let too_early = of_it.find(|one| one.index() <= said.index);
        let seen = too_early.map_or(0, |one| one.index());
        let expected = format!(
            "no session from index {} or before, that of {text:?}",
            said.index
        );
        expect(
            too_early.is_none(),
            expected,
            format!("one from index {seen}"),
        )?;
    }
    Ok(())
}

/// Waits until the peer's user is shown a text.
async fn shown(company: &Company, text: &str) -> Outcome {
    let deadline = tokio::time::Instant::now() + company.partner.subject.patience;
    loop {
        if is_shown(company, text).await? {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            let seen = "it is not";
            return Err(Fault::new(format!("the text {text:?} to be shown"), seen));
        }
        tokio::time::sleep(core::time::Duration::from_millis(100)).await;
    }
}

async fn is_shown(company: &Company, text: &str) -> Result<bool, Fault> {
    let shown = company.user_does("show", &[]).await?;
    Ok(shown.contains(text))
}

async fn session_of_another(company: &mut Company) -> Outcome {
    let mut fellow = company.befriends().await?;
    // The founder's session, of which the peer has only another member's word.
    fellow.hands(company.founder.sender.0.export()).await?;
    company.founder.says("by word of another").await;
    company.founder.held().await?;
    let export = fellow.sender.0.export();
    fellow.hands(export).await?;
    fellow.says("by its own word").await;
    shown(company, "by its own word").await?;
    let is_shown = is_shown(company, "by word of another").await?;
    expect(
        !is_shown,
        "an item that its author handed no session for to stay sealed",
        "it is shown",
    )
}

async fn beyond_the_cut(company: &mut Company) -> Outcome {
    let mut fellow = company.befriends().await?;
    let export = fellow.sender.0.export();
    fellow.hands(export).await?;
    fellow.says("within the cut").await;
    shown(company, "within the cut").await?;
    let cut = LogCut {
        log: fellow.author.log(),
        seq: 1,
    };
    fellow.says("beyond the cut").await;
    shown(company, "beyond the cut").await?;
    remove(company, &fellow.identity.public(), &[cut]).await?;
    hidden(company, "beyond the cut").await?;
    let is_shown = is_shown(company, "within the cut").await?;
    expect(
        is_shown,
        "an item within the cut to stay shown",
        "it is gone",
    )
}

async fn left_out(company: &mut Company) -> Outcome {
    let mut fellow = company.befriends().await?;
    let export = fellow.sender.0.export();
    fellow.hands(export).await?;
    fellow.says("of a log left out").await;
    shown(company, "of a log left out").await?;
    remove(company, &fellow.identity.public(), &[]).await?;
    hidden(company, "of a log left out").await
}

/// The founder puts somebody out.
async fn remove(company: &mut Company, whom: &[u8; 32], cut: &[LogCut]) -> Outcome {
    let founder = company.founder.identity.clone();
    let removed = company.shared.story().to(&founder, deed::REMOVE, whom, cut);
    company.founder.teaches(&removed).await.map(|_| ())
}

/// The peer knows of the end of what counts, so nothing beyond is shown any more.
async fn hidden(company: &Company, text: &str) -> Outcome {
    let is_shown = is_shown(company, text).await?;
    expect(
        !is_shown,
        format!("the text {text:?}, which does not count, not to be shown"),
        "it is",
    )
}
