//! Answers vectors with the reference implementation, for `dchat-conformance vectors`.
//!
//! A line of JSON in, `{id, op, input}`; a line of JSON out: `{id, result: "valid", expected}`,
//! `{id, result: "invalid", error, field?, expected?}`, or `{id, unsupported: true}`. An input that
//! the operation cannot read is answered with the error `no-question`, and why in `comment`.

use std::error::Error;
use std::io::{BufRead as _, Write as _};

use dchat_spec::reference::{Unanswered, Vector, answer};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    #[cfg(feature = "defects")]
    if let Some(name) = std::env::var_os("DCHAT_DEFECT") {
        dchat_wire::defect::choose(&name.to_string_lossy())?;
    }
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line?)?;
        serde_json::to_writer(&mut output, &said(&question))?;
        output.write_all(b"\n")?;
        // The runner waits for the answer before it asks on.
        output.flush()?;
    }
    Ok(())
}

fn said(question: &Value) -> Value {
    let id = &question["id"];
    let Some(vector) = Vector::read(question) else {
        return no_question(id, "no id, no op or no input");
    };
    match answer(&vector) {
        Ok(output) => json!({ "id": id, "result": "valid", "expected": output }),
        Err(Unanswered::Unsupported) => json!({ "id": id, "unsupported": true }),
        Err(Unanswered::Failed(why)) => no_question(id, &why),
        Err(Unanswered::Refused(refusal)) => {
            let mut line = json!({ "id": id, "result": "invalid", "error": refusal.error });
            if let Some(field) = refusal.field {
                line["field"] = field.into();
            }
            if let Some(before) = refusal.before {
                line["expected"] = before;
            }
            line
        }
    }
}

fn no_question(id: &Value, why: &str) -> Value {
    json!({ "id": id, "result": "invalid", "error": "no-question", "comment": why })
}
