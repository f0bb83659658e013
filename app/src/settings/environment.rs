//! Environment variables, taken once, so that what follows is a function of values.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

use super::SettingsError;

/// The variables of a process.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// A variable's bytes; `None` when it is unset or empty.
    #[must_use]
    pub fn os(&self, name: &str) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// A variable's text; `None` when it is unset or empty.
    ///
    /// # Errors
    /// [`SettingsError::Variable`] when it is not UTF-8.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, SettingsError> {
        self.os(name)
            .map(|value| {
                value.to_str().ok_or_else(|| SettingsError::Variable {
                    name,
                    problem: "it is not UTF-8".to_owned(),
                })
            })
            .transpose()
    }

    /// A variable's switch; `None` when it is unset or empty.
    ///
    /// # Errors
    /// [`SettingsError::Variable`] when it is neither on nor off.
    pub fn switch(&self, name: &'static str) -> Result<Option<bool>, SettingsError> {
        match self.text(name)?.map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("1" | "true" | "yes" | "on") => Ok(Some(true)),
            Some("0" | "false" | "no" | "off") => Ok(Some(false)),
            Some(_) => Err(SettingsError::Variable {
                name,
                problem: "it is neither true nor false".to_owned(),
            }),
        }
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
