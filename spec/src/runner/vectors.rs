//! Driving an implementation of the encodings through a program of its own: a line of JSON in, a line
//! of JSON out.
//!
//! To the program goes `{"id", "op", "input"}` of a vector, without what is expected. From it comes one
//! of
//!
//! * `{"id", "result": "valid", "expected": …}`: what came out of the operation;
//! * `{"id", "result": "invalid", "error"?, "field"?, "expected"?}`: the name of the error and the field,
//!   as far as it reports them (DC-WIRE-030), and of a stream the frames before the error;
//! * `{"id", "unsupported": true}`: it does not do this operation.
//!
//! Questions go one by one: the next when the answer to the last has come. A program that ends or does
//! not answer in time has failed that vector, and is started again for the next one.

use core::time::Duration;
use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::suites;

use super::case::{Failure, Kind, Verdict};
use super::report::Line;
use super::requirement::sentence;

/// Time for one answer: puzzles take the longest.
const ANSWER: Duration = Duration::from_secs(60);
/// Longest line that is read, in bytes: the largest body in hexadecimal, many times over.
const LONGEST: usize = 16 << 20;
/// How often a program that ended is started again.
const RESTARTS: usize = 32;

/// A vector as it stands in its file.
#[derive(Clone, Debug)]
pub struct Vector {
    /// `suite/name`.
    pub id: String,
    /// The requirements it checks.
    pub req: Vec<String>,
    /// The whole of it.
    pub value: Value,
}

/// Every vector, in the order of the files.
///
/// # Errors
/// The JSON library's; none is known for these values.
pub fn load() -> Result<Vec<Vector>, serde_json::Error> {
    let mut vectors = Vec::new();
    for suite in suites::all() {
        let file: Value = serde_json::from_str(&suite.to_file()?)?;
        for case in file["cases"].as_array().into_iter().flatten() {
            let req = case["req"].as_array().into_iter().flatten();
            vectors.push(Vector {
                id: text(&case["id"]),
                req: req.map(text).collect(),
                value: case.clone(),
            });
        }
    }
    Ok(vectors)
}

/// Asks the program every vector, and tells of each answer.
///
/// # Errors
/// When the program cannot be started at all.
pub async fn drive(
    command: &[String],
    vectors: &[Vector],
    mut tell: impl FnMut(&Line),
) -> std::io::Result<Vec<Line>> {
    let mut program = Some(Program::start(command)?);
    let mut restarts = RESTARTS;
    let mut lines = Vec::new();
    for vector in vectors {
        if program.is_none() && restarts > 0 {
            restarts -= 1;
            program = Program::start(command).ok();
        }
        let started = Instant::now();
        let answer = match &mut program {
            None => Err("a program that ended too often".to_owned()),
            Some(running) => running.ask(vector).await,
        };
        let verdict = match answer {
            Ok(answer) => judge(vector, &answer),
            Err(why) => {
                if let Some(mut ended) = program.take() {
                    let _gone = ended.child.start_kill();
                }
                failed(vector, "an answer", why)
            }
        };
        let line = Line {
            id: vector.id.clone(),
            about: text(&vector.value["comment"]),
            req: vector.req.clone(),
            kind: match vector.value["result"].as_str() {
                Some("valid") => Kind::Positive,
                _ => Kind::Negative,
            },
            profile: "vectors",
            verdict,
            took: started.elapsed(),
        };
        tell(&line);
        lines.push(line);
    }
    Ok(lines)
}

/// A program that answers.
struct Program {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(command: &[String]) -> std::io::Result<Self> {
        let none = || std::io::Error::other("no command was given");
        let (program, arguments) = command.split_first().ok_or_else(none)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("the program has no pipes"));
        };
        Ok(Self {
            child,
            input,
            output: BufReader::new(output).lines(),
        })
    }

    /// The answer to a vector, or what came instead.
    async fn ask(&mut self, vector: &Vector) -> Result<Value, String> {
        let Vector { id, value, .. } = vector;
        let question = json!({ "id": id, "op": value["op"], "input": value["input"] });
        let asked = async {
            let line = format!("{question}\n");
            self.input.write_all(line.as_bytes()).await?;
            self.input.flush().await?;
            self.output.next_line().await
        };
        let line = match timeout(ANSWER, asked).await {
            Err(_) => return Err(format!("none in {} s", ANSWER.as_secs())),
            Ok(Err(error)) => return Err(format!("the end of the program: {error}")),
            Ok(Ok(None)) => return Err("the end of the program".to_owned()),
            Ok(Ok(Some(line))) => line,
        };
        if line.len() > LONGEST {
            return Err(format!("a line of {} bytes", line.len()));
        }
        let answer: Value = serde_json::from_str(&line)
            .map_err(|error| format!("a line that is no JSON ({error}): {}", short(&line)))?;
        if answer["id"] == value["id"] {
            Ok(answer)
        } else {
            Err(format!("an answer to something else: {}", short(&line)))
        }
    }
}

/// What an answer to a vector is worth.
#[must_use]
pub fn judge(vector: &Vector, answer: &Value) -> Verdict {
    if answer["unsupported"] == true {
        return Verdict::Unsupported("the program does not do this operation".to_owned());
    }
    let wanted = &vector.value;
    let seen = || short(&answer.to_string());
    if answer["result"] != wanted["result"] {
        let error = wanted["error"].as_str().map(|name| format!(" with {name}"));
        let expected = format!("{}{}", text(&wanted["result"]), error.unwrap_or_default());
        return failed(vector, &expected, seen());
    }
    for name in ["error", "field"] {
        let (wanted, answered) = (&wanted[name], &answer[name]);
        // Reporting them is a SHOULD; reporting another one is wrong.
        if !wanted.is_null() && !answered.is_null() && wanted != answered {
            return failed(vector, &format!("the {name} {wanted}"), seen());
        }
    }
    let is_valid = wanted["result"] == "valid";
    let (wanted, answered) = (plain(&wanted["expected"]), plain(&answer["expected"]));
    // What came before an error may be left out with the error's name.
    if wanted == answered || (!is_valid && answered.is_null()) {
        Verdict::Passed
    } else {
        failed(
            vector,
            &short(&wanted.to_string()),
            short(&answered.to_string()),
        )
    }
}

fn failed(vector: &Vector, expected: &str, seen: String) -> Verdict {
    let requirement = vector.req.first().cloned().unwrap_or_default();
    Verdict::Failed(Failure {
        sentence: sentence(&requirement).unwrap_or_default(),
        requirement,
        expected: expected.to_owned(),
        seen,
    })
}

/// A value with all byte strings written out: a vector may shorten long runs, an answer need not.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(items) => joined(items)
            .map(Value::String)
            .unwrap_or_else(|| items.iter().map(plain).collect()),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        other => other.clone(),
    }
}

/// The bytes that a list of pieces stands for: strings of hexadecimal, at least one of them repeated.
fn joined(pieces: &[Value]) -> Option<String> {
    let mut bytes = String::new();
    let mut has_repeat = false;
    for piece in pieces {
        match (
            piece.as_str(),
            piece["repeat"].as_str(),
            piece["times"].as_u64(),
        ) {
            (Some(text), ..) => bytes.push_str(text),
            (None, Some(repeat), Some(times)) if times <= LONGEST as u64 => {
                has_repeat = true;
                bytes.push_str(&repeat.repeat(times as usize));
            }
            _ => return None,
        }
    }
    has_repeat.then_some(bytes)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The beginning of a text, for a report.
fn short(text: &str) -> String {
    match text.char_indices().nth(400) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(value: Value) -> Vector {
        Vector {
            id: "ping/x".to_owned(),
            req: vec!["DC-WIRE-001".to_owned()],
            value,
        }
    }

    #[test]
    fn pieces_and_plain_bytes_are_the_same() {
        let pieces = json!(["aabb", { "repeat": "00", "times": 3 }]);
        let valid =
            vector(json!({ "id": "x", "result": "valid", "expected": { "bytes": pieces } }));
        let answer = json!({ "result": "valid", "expected": { "bytes": "aabb000000" } });
        assert_eq!(judge(&valid, &answer), Verdict::Passed);
        let answer = json!({ "result": "valid", "expected": { "bytes": "aabb0000" } });
        assert!(matches!(judge(&valid, &answer), Verdict::Failed(_)));
        // A list of ids is a list, not bytes.
        assert_eq!(plain(&json!(["aa", "bb"])), json!(["aa", "bb"]));
    }

    #[test]
    fn a_wrong_error_fails_and_none_does_not() {
        let invalid = vector(json!({ "result": "invalid", "error": "over-limit", "field": "A.b" }));
        let passes = |answer: Value| judge(&invalid, &answer) == Verdict::Passed;
        assert!(passes(json!({ "result": "invalid" })));
        assert!(passes(
            json!({ "result": "invalid", "error": "over-limit", "field": "A.b" })
        ));
        assert!(!passes(json!({ "result": "invalid", "error": "invalid" })));
        assert!(!passes(
            json!({ "result": "invalid", "error": "over-limit", "field": "A.c" })
        ));
        assert!(!passes(json!({ "result": "valid", "expected": {} })));
        assert!(!passes(json!({})));
        let unsupported = judge(&invalid, &json!({ "unsupported": true }));
        assert!(matches!(unsupported, Verdict::Unsupported(_)));
    }
}
