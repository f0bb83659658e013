//! Builds that are wrong on purpose: which rule this process breaks.
//!
//! With the feature `defects` the environment variable `DCHAT_DEFECT` names one
//! ([`dchat_wire::defect`]); without the feature it means nothing.

use super::Failure;

/// Breaks the rule that is named, in all of this process.
///
/// # Errors
/// Usage, with the names there are.
#[cfg(feature = "defects")]
pub(super) fn choose() -> Result<(), Failure> {
    let Some(name) = std::env::var_os("DCHAT_DEFECT") else {
        return Ok(());
    };
    dchat_wire::defect::choose(&name.to_string_lossy())
        .map(drop)
        .map_err(|error| Failure::usage(error.to_string()))
}

/// Breaks no rule.
#[cfg(not(feature = "defects"))]
pub(super) fn choose() -> Result<(), Failure> {
    Ok(())
}

/// What is said behind the version, so that nobody takes such a build for a right one.
pub(super) fn note() -> Option<String> {
    let name = dchat_wire::defect::chosen().map_or("no rule is chosen", |defect| defect.name());
    cfg!(feature = "defects").then(|| format!("(built to be wrong: {name})"))
}
