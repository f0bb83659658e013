//! From the arguments of the process to its exit code.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    sync::Arc,
};

use clap::{Parser as _, error::ErrorKind as Clap};

use super::{
    Console, Exit, Failure, add,
    args::{PassphraseVerb, Typed},
    ask, daemon, defect, docs, interactive, join, log,
    passphrase::{self, Passphrases},
    plan::{Ask, Plan, Task},
    recv, send,
    session::Session,
    signal::Signals,
};
use crate::{
    api::{Request, Secret},
    seam::{OpenNode, PeerConfig},
    settings::{Environment, Settings},
};

/// Longest target `dchat add -` reads, in bytes: links are bounded at 4096.
const TARGET: usize = 8192;

/// Carries out the command line of this process, with the nodes `opener` starts.
pub fn main(opener: impl OpenNode) -> ExitCode {
    if let Err(failure) = defect::choose() {
        return complain(&failure);
    }
    let typed = match Typed::try_parse() {
        Ok(typed) => typed,
        Err(error) => return refuse(&error),
    };
    match Plan::new(typed).and_then(|plan| carry_out(plan, opener)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => complain(&failure),
    }
}

/// Help and version as asked for; every refusal in one line.
fn refuse(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), Clap::DisplayHelp | Clap::DisplayVersion) {
        let _ = error.print();
        if let Some(note) = defect::note().filter(|_| error.kind() == Clap::DisplayVersion) {
            let _ = writeln!(io::stdout(), "{note}");
        }
        return ExitCode::SUCCESS;
    }
    if error.kind() == Clap::DisplayHelpOnMissingArgumentOrSubcommand {
        return complain(&Failure::usage(
            "something is missing after the command. Put --help after it to see what.",
        ));
    }
    let text = error.to_string();
    let what: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let what = what.join(" ").replace(" tip: ", ". ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    complain(&Failure::usage(format!("{what}. Try 'dchat --help'.")))
}

fn complain(failure: &Failure) -> ExitCode {
    if let Some(line) = failure.line() {
        // Standard error may be closed; the exit code still tells.
        let _ = writeln!(io::stderr(), "{line}");
    }
    ExitCode::from(failure.exit as u8)
}

fn carry_out(plan: Plan, opener: impl OpenNode) -> Result<(), Failure> {
    let mut console = Console::of_process(plan.json);
    match &plan.task {
        Task::Completions(shell) => {
            io::stdout().write_all(&docs::completions(*shell))?;
            return Ok(());
        }
        Task::Man(None) => {
            io::stdout().write_all(&docs::manual()?)?;
            return Ok(());
        }
        Task::Man(Some(dir)) => {
            let pages = docs::write_manuals(dir)?;
            console.note(&format!("{pages} manual pages are in {}.", dir.display()));
            return Ok(());
        }
        _ => {}
    }
    let environment = Environment::of_process();
    let online = plan.online();
    let flag_file = plan.flags.passphrase_file.clone();
    let settings = Settings::resolve(plan.flags, &environment)?;
    log::start(&settings.log)?;
    let given = passphrase::given(
        flag_file.as_deref(),
        environment.text("DCHAT_PASSPHRASE")?,
        settings.passphrase_file.as_deref(),
    )?;
    let passphrases = Passphrases::new(given.is_some());
    let config = config(&settings, given, online, &plan.task);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot start: {error}. Try again."))
        })?;
    let outcome = runtime.block_on(perform(
        plan.task,
        Arc::new(opener),
        config,
        passphrases,
        console,
    ));
    // A thread that still reads standard input is not waited for.
    runtime.shutdown_background();
    outcome
}

fn config(settings: &Settings, given: Option<Secret>, online: bool, task: &Task) -> PeerConfig {
    PeerConfig {
        home: settings.home.clone(),
        passphrase: given,
        listen: settings.listen.clone(),
        dial: settings.dial.clone(),
        bootstrap: settings.bootstrap.clone(),
        relays: settings.relays.clone(),
        relay_only: settings.relay_only,
        roles: settings.roles,
        relaying: settings.relaying.clone(),
        stun: settings.stun.clone(),
        name: match task {
            Task::Ask(Ask::Init { name }) => name.clone(),
            _ => None,
        },
        mdns: settings.mdns,
        dht: settings.dht,
        online,
    }
}

/// Signals are caught only once the home is open: until then they end the process at once, also at a
/// question for the passphrase, and nothing is lost by it.
async fn perform<O: OpenNode>(
    task: Task,
    opener: Arc<O>,
    config: PeerConfig,
    passphrases: Passphrases,
    mut console: Console,
) -> Result<(), Failure> {
    match task {
        Task::Daemon => {
            let session = Session::take(opener, config, passphrases).await?;
            daemon::run(session, console, Signals::catch()?).await
        }
        Task::Interactive => interact(opener, config, passphrases).await,
        Task::Ask(ask) => {
            let mut session = Session::open(opener, config, passphrases).await?;
            let outcome = ask::run(ask, &mut session, &mut console).await;
            session.close().await;
            outcome
        }
        Task::Join(join) => {
            let typing = io::stdin().is_terminal() && io::stdout().is_terminal();
            join::run(join, opener, config, passphrases, console, typing).await
        }
        Task::Send(mut send) => {
            // Before the home is taken: whoever writes the pipe may take long.
            let text = match send.text.take() {
                Some(text) => text,
                None => send::read_message(io::stdin())?,
            };
            let mut session = Session::open(opener, config, passphrases).await?;
            let outcome = send::run(send, text, &mut session, &mut console).await;
            session.close().await;
            outcome
        }
        Task::Add { target, name } => {
            let target = match target {
                Some(target) => target,
                None => send::read_text(io::stdin(), TARGET, "the invite")?
                    .trim()
                    .to_owned(),
            };
            let mut session = Session::open(opener, config, passphrases).await?;
            let outcome = add::run(target, name, &mut session, &mut console).await;
            session.close().await;
            outcome
        }
        Task::Recv { follow, from } => {
            let mut session = Session::open(opener, config, passphrases).await?;
            let mut signals = Signals::catch()?;
            let outcome = tokio::select! {
                outcome = recv::run(follow, from, &mut session, &mut console) => outcome,
                () = signals.ended() => Ok(()),
            };
            session.close().await;
            outcome
        }
        Task::Passphrase(change) => {
            let given = config.passphrase.clone();
            let mut session = Session::open(opener, config, passphrases).await?;
            let typing = io::stdin().is_terminal();
            let outcome =
                change_passphrase(change, given, typing, passphrase::new, &mut session).await;
            session.close().await;
            outcome?;
            console.remark(match change {
                PassphraseVerb::Set => {
                    "The passphrase is set. Without it there is no way into this profile: keep it \
                     safe."
                }
                PassphraseVerb::Remove => {
                    "The passphrase is removed. A key file opens the profile now."
                }
            });
            Ok(())
        }
        // Done before a node was needed.
        Task::Completions(_) | Task::Man(_) => Ok(()),
    }
}

async fn interact<O: OpenNode>(
    opener: Arc<O>,
    config: PeerConfig,
    passphrases: Passphrases,
) -> Result<(), Failure> {
    let session = Session::open(opener, config, passphrases).await?;
    chat(session, None).await
}

/// Chats on the terminal, or by a pipe; in `room` where one is given.
pub(super) async fn chat<O: OpenNode>(
    session: Session<O>,
    room: Option<String>,
) -> Result<(), Failure> {
    let signals = Signals::catch()?;
    let _settings;
    let (input, screen) = if io::stdin().is_terminal() && io::stdout().is_terminal() {
        _settings = interactive::Settings::remember();
        interactive::Input::terminal()?
    } else {
        (
            interactive::Input::plain(io::stdin()),
            interactive::Screen::Plain(Box::new(io::stdout())),
        )
    };
    interactive::Interactive::run(session, room, input, screen, signals).await
}

/// Changes what opens the home. Whether it has a passphrase now is known to the node alone, so where
/// nobody is `typing`, what was given is the new one of a home without, and the current one of
/// another. `new` asks for the new one.
async fn change_passphrase<O: OpenNode>(
    change: PassphraseVerb,
    given: Option<Secret>,
    typing: bool,
    new: impl FnOnce() -> Result<Secret, Failure>,
    session: &mut Session<O>,
) -> Result<(), Failure> {
    let new = match (change, &given) {
        (PassphraseVerb::Remove, _) => None,
        (PassphraseVerb::Set, Some(given)) if !typing => {
            match set_passphrase(None, Some(given.clone()), session).await {
                Err(failure) if failure.exit == Exit::Locked => Some(new()?),
                other => return other,
            }
        }
        (PassphraseVerb::Set, _) => Some(new()?),
    };
    // What this process opened the home with, whoever gave or typed it.
    let current = session.passphrase().or(given);
    let known = current.is_some();
    match set_passphrase(current, new.clone(), session).await {
        Err(failure) if failure.exit == Exit::Locked && !known => {
            match passphrase::ask("Current passphrase: ")? {
                Some(typed) => set_passphrase(Some(typed), new, session).await,
                None => Err(failure),
            }
        }
        other => other,
    }
}

async fn set_passphrase<O: OpenNode>(
    current: Option<Secret>,
    new: Option<Secret>,
    session: &mut Session<O>,
) -> Result<(), Failure> {
    session
        .call(Request::SetPassphrase { current, new })
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a failed expectation is a failed test"
    )]
    use super::*;
    use crate::{
        api::{ApiError, ErrorKind, Reply},
        cli::session_tests::config,
        seam::fake::FakeNode,
    };

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// What a home that has `passphrase` is asked to do, and how it ends.
    async fn changed(
        change: PassphraseVerb,
        passphrase: Option<&'static str>,
        given: Option<&str>,
        typing: bool,
    ) -> (Result<(), Failure>, Option<Request>) {
        let home = tempfile::tempdir().unwrap();
        let node = FakeNode::new(move |request| match request {
            Request::SetPassphrase { current, .. } => {
                let opens = passphrase.is_none() || current == &passphrase.map(secret);
                Some(
                    opens
                        .then_some(Reply::Done)
                        .ok_or_else(|| ApiError::new(ErrorKind::Locked, "locked")),
                )
            }
            _ => None,
        });
        let opener = Arc::new(node.clone());
        let mut session = Session::open(opener, config(home.path(), false), Passphrases::new(true))
            .await
            .unwrap_or_else(|failure| panic!("{failure:?}"));
        let given = given.map(secret);
        let new = || Ok(secret("typed"));
        let outcome = change_passphrase(change, given, typing, new, &mut session).await;
        (outcome, node.asked().pop())
    }

    fn set(current: Option<&str>, new: Option<&str>) -> Option<Request> {
        Some(Request::SetPassphrase {
            current: current.map(secret),
            new: new.map(secret),
        })
    }

    #[tokio::test]
    async fn a_person_types_the_new_passphrase() {
        let (outcome, asked) = changed(PassphraseVerb::Set, None, None, true).await;
        assert_eq!((outcome, asked), (Ok(()), set(None, Some("typed"))));
        let (outcome, asked) = changed(PassphraseVerb::Set, Some("old"), Some("old"), true).await;
        assert_eq!((outcome, asked), (Ok(()), set(Some("old"), Some("typed"))));
    }

    #[tokio::test]
    async fn what_a_script_gives_is_the_new_one_of_an_open_home() {
        let (outcome, asked) = changed(PassphraseVerb::Set, None, Some("given"), false).await;
        assert_eq!((outcome, asked), (Ok(()), set(None, Some("given"))));
    }

    #[tokio::test]
    async fn what_a_script_gives_is_the_current_one_of_a_locked_home() {
        let (outcome, asked) = changed(PassphraseVerb::Set, Some("old"), Some("old"), false).await;
        assert_eq!((outcome, asked), (Ok(()), set(Some("old"), Some("typed"))));
        let (outcome, _) = changed(PassphraseVerb::Set, Some("old"), Some("no"), false).await;
        assert_eq!(outcome.unwrap_err().exit, Exit::Locked);
    }

    #[tokio::test]
    async fn removing_needs_the_current_one() {
        let (outcome, asked) =
            changed(PassphraseVerb::Remove, Some("old"), Some("old"), false).await;
        assert_eq!((outcome, asked), (Ok(()), set(Some("old"), None)));
        let (outcome, _) = changed(PassphraseVerb::Remove, Some("old"), Some("no"), false).await;
        assert_eq!(outcome.unwrap_err().exit, Exit::Locked);
    }
}
