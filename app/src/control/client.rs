//! The other side: one connection to the process that has the home.

use std::{collections::VecDeque, io, path::Path};

use tokio::{
    io::AsyncWriteExt as _,
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    time,
};

use super::{
    ControlError, LineReader,
    message::{ANSWER_LINE, Answer, HELLO_PATIENCE, Hello},
    path,
};
use crate::api::{ApiError, ErrorKind, Event, Reply, Request};

/// Events kept while an answer is awaited; later ones are counted as missed.
const EVENTS: usize = 4096;

/// A connection to the control socket of a home.
#[derive(Debug)]
pub struct Client {
    hello: Hello,
    lines: LineReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// At most [`EVENTS`].
    events: VecDeque<Event>,
    missed: u64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The node says no. Nothing was changed.
    #[error(transparent)]
    Refused(ApiError),
    /// The process has ended or ends, and did not carry the request out.
    #[error("the dchat process of this home has ended")]
    Gone,
    /// The process died before it answered: whether it carried the request out is unknown.
    #[error("the dchat process of this home died before it answered")]
    Lost,
    /// It answers something we do not understand.
    #[error(transparent)]
    Control(ControlError),
}

impl Client {
    /// Connects to whoever serves `home`; `None` when nobody does.
    ///
    /// # Errors
    /// As [`ControlError`] says.
    pub async fn connect(home: &Path) -> Result<Option<Self>, ControlError> {
        let failed = |source| ControlError::Io {
            action: "reach",
            source,
        };
        let Some(stream) = path::connect(home).await.map_err(failed)? else {
            return Ok(None);
        };
        let (reader, writer) = stream.into_split();
        let mut lines = LineReader::new(reader, ANSWER_LINE);
        let first = time::timeout(HELLO_PATIENCE, lines.next())
            .await
            .map_err(|_| ControlError::Silent)?;
        let hello = match first.map(|line| line.map(|line| decode(&line))) {
            Ok(Some(Ok(Answer::Hello(hello)))) => hello,
            Ok(Some(Ok(Answer::Err(busy)))) => return Err(failed(io::Error::other(busy.message))),
            // It ended while we came in.
            Ok(Some(Ok(Answer::Bye)) | None) | Err(_) => return Ok(None),
            Ok(Some(_)) => return Err(ControlError::Foreign),
        };
        Ok(Some(Self {
            hello,
            lines,
            writer,
            events: VecDeque::new(),
            missed: 0,
        }))
    }

    /// Who answers.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Asks and waits for the answer; events that come first are kept for
    /// [`next_event`](Self::next_event). After a dropped call the connection is of no further use.
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn call(&mut self, request: &Request) -> Result<Reply, CallError> {
        let mut line = serde_json::to_vec(request).map_err(|error| {
            CallError::Refused(ApiError::new(ErrorKind::Usage, error.to_string()))
        })?;
        line.push(b'\n');
        if self.writer.write_all(&line).await.is_err() {
            // The line did not get through whole, so it was not carried out.
            return Err(CallError::Gone);
        }
        loop {
            match self.read().await? {
                Answer::Ok(reply) => return Ok(reply),
                Answer::Err(error) => return Err(CallError::Refused(error)),
                Answer::Event(event) => self.keep(event),
                Answer::Bye => return Err(CallError::Gone),
                Answer::Hello(_) => return Err(CallError::Control(ControlError::Foreign)),
            }
        }
    }

    /// The next event, after [`Request::Subscribe`]. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`CallError::Gone`] when there will be none; never [`CallError::Refused`].
    pub async fn next_event(&mut self) -> Result<Event, CallError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        if self.missed > 0 {
            let count = core::mem::take(&mut self.missed);
            return Ok(Event::Missed { count });
        }
        match self.read().await {
            Ok(Answer::Event(event)) => Ok(event),
            Ok(Answer::Bye) | Err(CallError::Lost) => Err(CallError::Gone),
            Ok(_) => Err(CallError::Control(ControlError::Foreign)),
            Err(error) => Err(error),
        }
    }

    fn keep(&mut self, event: Event) {
        if self.events.len() < EVENTS {
            self.events.push_back(event);
        } else {
            self.missed += 1;
        }
    }

    async fn read(&mut self) -> Result<Answer, CallError> {
        match self.lines.next().await {
            Ok(Some(line)) => decode(&line).map_err(CallError::Control),
            Ok(None) | Err(_) => Err(CallError::Lost),
        }
    }
}

fn decode(line: &[u8]) -> Result<Answer, ControlError> {
    serde_json::from_slice(line).map_err(|_| ControlError::Foreign)
}
