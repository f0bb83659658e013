//! One test vector, and a file of them.

use crate::json::Json;

/// The revision of the documents that the vectors belong to.
pub const REVISION: u32 = 1;

/// What must come of a case.
#[derive(Clone, Debug)]
enum Outcome {
    Valid(Json),
    Invalid {
        error: &'static str,
        field: Option<&'static str>,
        before: Option<Json>,
    },
}

/// A vector: an operation, its input, and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    id: String,
    op: &'static str,
    req: Vec<&'static str>,
    comment: Option<&'static str>,
    input: Vec<(&'static str, Json)>,
    outcome: Outcome,
}

impl Case {
    /// A case that must succeed with `expected`. `req` names the requirements it checks.
    #[must_use]
    pub fn valid(
        id: impl Into<String>,
        op: &'static str,
        req: &'static [&'static str],
        expected: Json,
    ) -> Self {
        Self::new(id.into(), op, req, Outcome::Valid(expected))
    }

    /// A case that must fail with `error`.
    #[must_use]
    pub fn invalid(
        id: impl Into<String>,
        op: &'static str,
        req: &'static [&'static str],
        error: &'static str,
    ) -> Self {
        let outcome = Outcome::Invalid {
            error,
            field: None,
            before: None,
        };
        Self::new(id.into(), op, req, outcome)
    }

    fn new(id: String, op: &'static str, req: &'static [&'static str], outcome: Outcome) -> Self {
        Self {
            id,
            op,
            req: req.to_vec(),
            comment: None,
            input: Vec::new(),
            outcome,
        }
    }

    /// Adds an input.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.input.push((name, value.into()));
        self
    }

    /// Names a further requirement that it checks.
    pub fn checks(&mut self, requirement: &'static str) {
        if !self.req.contains(&requirement) {
            self.req.push(requirement);
            self.req.sort_unstable();
        }
    }

    /// Says what is special about it.
    #[must_use]
    pub fn comment(mut self, comment: &'static str) -> Self {
        self.comment = Some(comment);
        self
    }

    /// Names the field at fault. Without effect on a valid case.
    #[must_use]
    pub fn field(mut self, name: Option<&'static str>) -> Self {
        if let Outcome::Invalid { field, .. } = &mut self.outcome {
            *field = name;
        }
        self
    }

    /// Gives what comes out before the error. Without effect on a valid case.
    #[must_use]
    pub fn after(mut self, output: Json) -> Self {
        if let Outcome::Invalid { before, .. } = &mut self.outcome {
            *before = Some(output);
        }
        self
    }

    /// Unique: the suite, a slash, and a name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The requirements it checks.
    #[must_use]
    pub fn requirements(&self) -> &[&'static str] {
        &self.req
    }

    /// Whether it must fail.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        matches!(self.outcome, Outcome::Invalid { .. })
    }

    fn json(&self) -> Json {
        let req = self.req.iter().map(|id| Json::from(*id)).collect();
        let mut fields = vec![
            ("id", Json::from(self.id.as_str())),
            ("op", Json::from(self.op)),
            ("req", Json::List(req)),
        ];
        if let Some(comment) = self.comment {
            fields.push(("comment", comment.into()));
        }
        let input = Json::Object(self.input.clone());
        match &self.outcome {
            Outcome::Valid(expected) => {
                fields.push(("result", "valid".into()));
                fields.push(("input", input));
                fields.push(("expected", expected.clone()));
            }
            Outcome::Invalid {
                error,
                field,
                before,
            } => {
                fields.push(("result", "invalid".into()));
                fields.push(("error", (*error).into()));
                if let Some(field) = field {
                    fields.push(("field", (*field).into()));
                }
                fields.push(("input", input));
                if let Some(before) = before {
                    fields.push(("expected", before.clone()));
                }
            }
        }
        Json::Object(fields)
    }
}

/// A file of vectors.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its name, and that of its file without `.json`.
    pub name: &'static str,
    /// The vectors, in the order of the file.
    pub cases: Vec<Case>,
}

impl Suite {
    /// The content of the suite's file.
    ///
    /// # Errors
    /// The JSON library's; none is known for these values.
    pub fn to_file(&self) -> Result<String, serde_json::Error> {
        let cases = self.cases.iter().map(Case::json).collect();
        let file = Json::Object(vec![
            ("suite", self.name.into()),
            ("revision", Json::Number(REVISION)),
            ("cases", Json::List(cases)),
        ]);
        let mut text = serde_json::to_string_pretty(&file)?;
        text.push('\n');
        Ok(text)
    }
}
