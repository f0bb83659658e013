//! `dchat` without a verb: a chat, line by line.
//!
//! [`input`] gives lines, [`command`] says what they mean, [`chat`] knows what to tell, and this
//! module joins them to a node. What is typed is carried out in order, one line at a time. Where a
//! pipe ends, the chat waits for its messages to be delivered, [`PATIENCE`] at most.

mod chat;
mod command;
mod input;

#[cfg(test)]
mod tests;

use core::time::Duration;
use std::time::Instant;

use tokio::time::{self, MissedTickBehavior};

use chat::{Chat, Whom};
use command::{Command, HELP};
pub(crate) use input::{Input, Screen, Settings};

use super::{
    Exit, Failure, ask, join, plan,
    session::{Next, Session},
    signal::Signals,
    words,
};
use crate::{
    api::{Event, GroupStanding, Message, MessageState, Nearby, Reply, Request, Sent},
    control::ControlError,
    seam::OpenNode,
    text,
};

/// How long a pipe's last messages may take to be delivered.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at the clock.
const TICK: Duration = Duration::from_secs(1);
/// Unread messages fetched at a time.
const BATCH: u32 = 64;

/// One interactive chat.
pub(crate) struct Interactive<O: OpenNode> {
    session: Session<O>,
    chat: Chat,
    input: Input,
    screen: Screen,
    /// When to leave at the latest.
    leaving: Option<time::Instant>,
    /// The first line of a pipe that could not be carried out, as an exit code.
    trouble: Option<Exit>,
    /// Events were lost, so what is known of own messages may be too little.
    unsure: bool,
}

/// What a line leads to.
#[derive(PartialEq)]
enum Then {
    GoOn,
    Leave,
}

impl<O: OpenNode> Interactive<O> {
    /// Chats until the person leaves, the input ends or a signal comes; in `room` to begin with, where
    /// one is given.
    ///
    /// # Errors
    /// What the node says when it can no longer be asked. For a pipe, [`Exit::Queued`] when not all
    /// of it was delivered, and the exit code of its first line that could not be carried out.
    pub(crate) async fn run(
        mut session: Session<O>,
        room: Option<String>,
        input: Input,
        screen: Screen,
        mut signals: Signals,
    ) -> Result<(), Failure> {
        session.subscribe().await?;
        let mut chat = begin(&mut session).await?;
        if let Some(room) = room {
            chat.enter(room);
        }
        let mut this = Self {
            session,
            chat,
            input,
            screen,
            leaving: None,
            trouble: None,
            unsure: false,
        };
        let outcome = tokio::select! {
            outcome = this.talk() => outcome,
            () = signals.ended() => Ok(()),
        };
        this.session.close().await;
        outcome
    }

    async fn talk(&mut self) -> Result<(), Failure> {
        let banner = self.chat.banner();
        self.screen.print(&banner);
        self.show_unread(true).await?;
        self.show_nearby().await?;
        self.input.ask(&self.chat.prompt());
        let mut tick = time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Some(deadline) = self.leaving {
                let left = self.undelivered().await?;
                if left == 0 {
                    return self
                        .trouble
                        .map_or(Ok(()), |exit| Err(Failure::silent(exit)));
                }
                if time::Instant::now() >= deadline {
                    return Err(Failure::new(Exit::Queued, queued_words(left)));
                }
            }
            tokio::select! {
                next = self.session.next() => match next? {
                    Next::Event(event) => self.tell(event).await?,
                    Next::Moving => self.move_on().await?,
                },
                typed = self.input.next(), if self.leaving.is_none() => {
                    if self.take(typed).await == Then::Leave {
                        return Ok(());
                    }
                }
                _ = tick.tick() => {
                    for line in self.chat.tick(Instant::now()) {
                        self.screen.print(&line);
                    }
                }
            }
        }
    }

    /// Own messages not known to be delivered, after asking where that is needed.
    async fn undelivered(&mut self) -> Result<usize, Failure> {
        if self.unsure {
            self.unsure = false;
            for id in self.chat.undelivered() {
                let sent = self
                    .session
                    .wait(&id, MessageState::Delivered, Duration::ZERO)
                    .await?;
                self.tell_state(&sent);
            }
        }
        Ok(self.chat.undelivered().len())
    }

    async fn tell(&mut self, event: Event) -> Result<(), Failure> {
        if let Event::Missed { .. } = event {
            self.unsure = true;
            return self.show_unread(false).await;
        }
        if let Some(line) = self.chat.event(&event) {
            self.screen.print(&line);
            if let Event::Message(message) = event {
                self.mark_read(vec![message.id]).await?;
            }
        }
        Ok(())
    }

    fn tell_state(&mut self, sent: &Sent) {
        if let Some(line) = self.chat.state(&sent.id, sent.state) {
            self.screen.print(&line);
        }
    }

    async fn move_on(&mut self) -> Result<(), Failure> {
        self.session.reopen().await?;
        self.look_again().await?;
        self.unsure = true;
        self.show_unread(false).await?;
        self.show_nearby().await
    }

    /// Shows who was found before this chat began to listen.
    async fn show_nearby(&mut self) -> Result<(), Failure> {
        let Reply::Nearby(nearby) = self.session.call(Request::Nearby).await? else {
            return Err(ControlError::Foreign.into());
        };
        for Nearby { peer_id, addr, via } in nearby {
            self.tell(Event::Discovered { peer_id, addr, via }).await?;
        }
        Ok(())
    }

    /// Shows what arrived while nobody looked.
    async fn show_unread(&mut self, count: bool) -> Result<(), Failure> {
        let mut first = count;
        loop {
            let request = Request::Unread {
                from: None,
                limit: BATCH,
            };
            let messages = messages(self.session.call(request).await?)?;
            if messages.is_empty() {
                return Ok(());
            }
            if core::mem::take(&mut first) {
                let more = if messages.len() < BATCH as usize {
                    ""
                } else {
                    " or more"
                };
                self.screen
                    .print(&format!("{}{more} unread:", messages.len()));
            }
            for message in &messages {
                if let Some(line) = self.chat.received(message) {
                    self.screen.print(&line);
                }
            }
            self.mark_read(messages.into_iter().map(|message| message.id).collect())
                .await?;
        }
    }

    async fn mark_read(&mut self, ids: Vec<String>) -> Result<(), Failure> {
        self.session.call(Request::MarkRead { ids }).await.map(drop)
    }

    async fn take(&mut self, typed: input::Typed) -> Then {
        let then = match typed {
            input::Typed::Line(line) => match command::parse(&line) {
                command::Input::Nothing => Then::GoOn,
                command::Input::Say(text) => self.survive(Line::Say(text)).await,
                command::Input::Do(Command::Quit) => self.leave(),
                command::Input::Do(command) => self.survive(Line::Do(command)).await,
                command::Input::Wrong(word) => self.complain(&Failure::usage(word)),
            },
            input::Typed::Unusable(word) => self.complain(&Failure::usage(word)),
            input::Typed::Interrupted | input::Typed::End => self.leave(),
        };
        if then == Then::GoOn {
            self.input.ask(&self.chat.prompt());
        }
        then
    }

    /// A person leaves at once; a pipe's messages are given time.
    fn leave(&mut self) -> Then {
        if !self.input.is_terminal() {
            self.leaving = Some(time::Instant::now() + PATIENCE);
            // Once more, in case an event was missed without a word.
            self.unsure = true;
            return Then::GoOn;
        }
        let left = self.chat.undelivered().len();
        if left > 0 {
            self.screen.print(&queued_words(left));
        }
        Then::Leave
    }

    /// A line that cannot be carried out does not end the chat.
    async fn survive(&mut self, line: Line) -> Then {
        let outcome = match line {
            Line::Say(text) => self.say(text).await,
            Line::Do(command) => self.carry_out(command).await,
        };
        match outcome {
            Err(failure) => self.complain(&failure),
            Ok(()) => Then::GoOn,
        }
    }

    fn complain(&mut self, failure: &Failure) -> Then {
        self.screen
            .print(&format!("! {}", text::line(&failure.message)));
        self.trouble.get_or_insert(failure.exit);
        Then::GoOn
    }

    async fn say(&mut self, text: String) -> Result<(), Failure> {
        let text = plan::message(text)?;
        let to = self.chat.target().ok_or_else(|| {
            Failure::usage(
                "nobody to write to. Choose with /to NAME, join a room with /join NAME, or add \
                 somebody with /add or /invite.",
            )
        })?;
        let sent = self.session.send(&to, &text, None).await?;
        self.chat.sent(&sent, &to, &text, Instant::now());
        Ok(())
    }

    async fn carry_out(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Help => self.screen.print(HELP),
            // Taken apart by the caller.
            Command::Quit => {}
            Command::Name(None) => {
                let name = text::name(&self.chat.me().name);
                self.screen.print(&format!("You are {name}."));
            }
            Command::Name(Some(name)) => {
                let request = Request::SetName { name: name.clone() };
                self.session.call(request).await?;
                self.chat.rename_me(name);
            }
            Command::To(None) => {
                let line = match self.chat.target() {
                    Some(to) => format!("You write to {}.", self.chat.called(&to)),
                    None => "You write to nobody yet. Choose with /to NAME.".to_owned(),
                };
                self.screen.print(&line);
            }
            Command::To(Some(who)) => {
                let chosen = self.chat.choose(&who).map_err(Failure::usage)?;
                self.screen.print(&format!("You write to {chosen}."));
            }
            Command::History(limit) => {
                let to = self
                    .chat
                    .target()
                    .ok_or_else(|| Failure::usage("whose? Choose with /to NAME."))?;
                let messages = ask::history(&mut self.session, &to, limit).await?;
                self.list_messages(&messages);
            }
            Command::Search(words) => {
                let request = Request::Search {
                    words,
                    to: None,
                    limit: BATCH,
                };
                let messages = messages(self.session.call(request).await?)?;
                self.list_messages(&messages);
            }
            Command::Accept(who) => {
                let peer = self.who_asks(who).await?;
                let request = Request::Accept { peer, name: None };
                self.become_contact(request).await?;
            }
            Command::Add { target, name } => {
                self.become_contact(Request::Add { target, name }).await?;
            }
            Command::Refuse(who) => {
                let peer = self.who_asks(who).await?;
                self.session.call(Request::Refuse { peer }).await?;
                self.screen.print("Refused, and ignored from now on.");
            }
            Command::Rename { peer, name } => {
                self.session
                    .call(Request::RenameContact { peer, name })
                    .await?;
                self.look_again().await?;
            }
            Command::Remove(peer) => {
                self.session.call(Request::RemoveContact { peer }).await?;
                self.look_again().await?;
                self.screen
                    .print("No longer a contact. The messages are still there.");
            }
            Command::Join { name, secret_file } => self.join(&name, secret_file).await?,
            Command::Part(name) => self.part(name).await?,
            Command::Members(named) => {
                let of = named.or_else(|| self.chat.target());
                let of = of.filter(|to| to.starts_with(['#', '@']));
                let of = of.ok_or_else(|| {
                    Failure::usage("of which room? Choose with /to #ROOM or /to @GROUP.")
                })?;
                self.list(Request::Members { of }).await?;
            }
            Command::Rooms => self.list(Request::Rooms).await?,
            Command::Info => self.list(Request::Id).await?,
            Command::Status => self.list(Request::Status).await?,
            Command::Peers => self.list(Request::Peers).await?,
            Command::Doctor(peer) => {
                let stun = Vec::new();
                self.list(Request::Doctor { peer, stun }).await?;
            }
            Command::Group(group) => self.group(group).await?,
            Command::Dht(dht) => self.list(ask::dht_request(dht)).await?,
            Command::Contacts => self.list(Request::Contacts).await?,
            Command::Requests => self.list(Request::Requests).await?,
            Command::Invite => self.list(Request::Invite).await?,
        }
        Ok(())
    }

    async fn join(&mut self, name: &str, secret_file: Option<String>) -> Result<(), Failure> {
        let name = plan::room(name)?;
        let secret = secret_file
            .map(|file| join::secret_in(file.as_ref()))
            .transpose()?;
        let request = Request::JoinRoom { name, secret };
        let Reply::Room(room) = self.session.call(request).await? else {
            return Err(ControlError::Foreign.into());
        };
        let line = format!(
            "You are in {} and write there now. /members shows who else is, /part leaves.",
            text::line(&room.conversation)
        );
        self.chat.enter(room.conversation);
        self.screen.print(&line);
        Ok(())
    }

    async fn group(&mut self, group: plan::Group) -> Result<(), Failure> {
        let enters = matches!(
            group,
            plan::Group::Create { .. } | plan::Group::Accept { .. }
        );
        let lines = match self.session.call(ask::group_request(group)).await? {
            Reply::Group(group) => {
                if enters {
                    self.chat.enter(group.conversation.clone());
                }
                vec![words::group(&group)]
            }
            Reply::Groups(groups) if groups.is_empty() => vec!["None.".to_owned()],
            Reply::Groups(groups) => groups.iter().map(words::group).collect(),
            Reply::GroupMembers(members) => members.iter().map(words::group_member).collect(),
            Reply::Done => vec!["Done.".to_owned()],
            _ => return Err(ControlError::Foreign.into()),
        };
        for line in lines {
            self.screen.print(&line);
        }
        Ok(())
    }

    async fn part(&mut self, name: Option<String>) -> Result<(), Failure> {
        let current = || self.chat.target().filter(|to| to.starts_with(['#', '@']));
        let name = name
            .or_else(current)
            .ok_or_else(|| Failure::usage("which room? Name one of /rooms."))?;
        if name.starts_with('@') {
            let request = Request::LeaveGroup {
                group: name.clone(),
            };
            self.session.call(request).await?;
            self.chat.leave(&name);
            self.screen
                .print(&format!("You have left {}.", text::line(&name)));
            return Ok(());
        }
        let name = plan::room(&name)?;
        let request = Request::LeaveRoom { name: name.clone() };
        self.session.call(request).await?;
        self.chat.leave(&format!("#{name}"));
        self.screen.print(&format!("You have left #{name}."));
        Ok(())
    }

    async fn become_contact(&mut self, request: Request) -> Result<(), Failure> {
        let Reply::Contact(contact) = self.session.call(request).await? else {
            return Err(ControlError::Foreign.into());
        };
        let line = format!(
            "{} ({}) is a contact; you write to them now.",
            text::name(&contact.name),
            words::short(&contact.peer_id)
        );
        self.chat.learn(contact, true);
        self.screen.print(&line);
        Ok(())
    }

    /// The one who asks, where there is only one to mean.
    async fn who_asks(&mut self, who: Option<String>) -> Result<String, Failure> {
        if let Some(who) = who {
            return Ok(who);
        }
        let Reply::Requests(requests) = self.session.call(Request::Requests).await? else {
            return Err(ControlError::Foreign.into());
        };
        match requests.as_slice() {
            [one] => Ok(one.peer_id.clone()),
            [] => Err(Failure::usage("nobody is waiting.")),
            _ => Err(Failure::usage(
                "several are waiting. Name one of /requests.",
            )),
        }
    }

    async fn look_again(&mut self) -> Result<(), Failure> {
        let known = whom(&mut self.session).await?;
        self.chat.refresh(known);
        Ok(())
    }

    fn list_messages(&mut self, messages: &[Message]) {
        for message in messages {
            self.screen
                .print(&words::message(message, self.chat.names()));
        }
        if messages.is_empty() {
            self.screen.print("No messages.");
        }
    }

    async fn list(&mut self, request: Request) -> Result<(), Failure> {
        let lines: Vec<String> = match self.session.call(request).await? {
            Reply::Id(id) => {
                let name = format!("{}  {}", text::name(&id.name), text::line(&id.peer_id));
                let addresses = id.addresses.iter().map(|address| text::line(address));
                std::iter::once(name).chain(addresses).collect()
            }
            Reply::Status(status) => vec![words::status(&status)],
            Reply::Doctor(doctor) => words::doctor(&doctor),
            Reply::DhtFound(found) => words::dht_found(&found),
            Reply::DhtRecords(found) => words::dht_records(&found),
            Reply::DhtStored(stored) => words::dht_stored(&stored),
            Reply::DhtStat(stat) => words::dht_stat(&stat),
            Reply::Rooms(rooms) => rooms.iter().map(words::room).collect(),
            Reply::Members(members) => members.iter().map(words::member).collect(),
            Reply::Peers(peers) => peers.iter().map(words::peer).collect(),
            Reply::Contacts(contacts) => contacts.iter().map(words::contact).collect(),
            Reply::Requests(requests) => requests.iter().map(words::request).collect(),
            Reply::Invite(invite) => vec![
                text::line(&invite.invite),
                "For one person, within 7 days. There: /add and this.".to_owned(),
            ],
            _ => return Err(ControlError::Foreign.into()),
        };
        if lines.is_empty() {
            self.screen.print("None.");
        }
        for line in lines {
            self.screen.print(&line);
        }
        Ok(())
    }
}

/// What goes to the node.
enum Line {
    Say(String),
    Do(Command),
}

async fn begin<O: OpenNode>(session: &mut Session<O>) -> Result<Chat, Failure> {
    let me = ask::id(session).await?;
    Ok(Chat::new(me, whom(session).await?, Instant::now()))
}

/// Whom we know, who is there, and where we are.
async fn whom<O: OpenNode>(session: &mut Session<O>) -> Result<Whom, Failure> {
    let contacts = session.call(Request::Contacts).await?;
    let peers = session.call(Request::Peers).await?;
    let rooms = session.call(Request::Rooms).await?;
    let groups = session.call(Request::Groups).await?;
    match (contacts, peers, rooms, groups) {
        (
            Reply::Contacts(contacts),
            Reply::Peers(peers),
            Reply::Rooms(rooms),
            Reply::Groups(groups),
        ) => {
            let groups = groups.into_iter();
            let groups = groups.filter(|group| group.state > GroupStanding::Invited);
            let rooms = rooms.into_iter().map(|room| room.conversation);
            Ok(Whom {
                contacts,
                peers,
                rooms: rooms
                    .chain(groups.map(|group| group.conversation))
                    .collect(),
            })
        }
        _ => Err(ControlError::Foreign.into()),
    }
}

fn messages(reply: Reply) -> Result<Vec<Message>, Failure> {
    match reply {
        Reply::Messages(messages) => Ok(messages),
        _ => Err(ControlError::Foreign.into()),
    }
}

fn queued_words(left: usize) -> String {
    let (messages, go) = if left == 1 {
        ("message is", "goes")
    } else {
        ("messages are", "go")
    };
    format!("{left} {messages} queued and {go} out when you are both online again.")
}
