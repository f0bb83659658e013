//! Which cases are meant.

use super::case::{Case, Profile};

/// What the command line asked for. Nothing asked for means everything.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Sections, or whole ids.
    pub sections: Vec<String>,
    /// Requirements, or areas of them such as `DC-CONN`.
    pub requirements: Vec<String>,
    /// Profiles.
    pub profiles: Vec<Profile>,
}

impl Selection {
    /// Whether a case is meant: by each of the three lists that is not empty.
    #[must_use]
    pub fn takes(&self, case: &Case) -> bool {
        self.takes_parts(&case.id, case.req) && {
            self.profiles.is_empty() || self.profiles.contains(&case.profile)
        }
    }

    /// The same for something that has an id and requirements only.
    #[must_use]
    pub fn takes_parts<R: AsRef<str>>(&self, id: &str, requirements: &[R]) -> bool {
        let section = id.split('/').next().unwrap_or(id);
        let in_section = |wanted: &String| wanted == section || wanted == id;
        let of_requirement = |wanted: &String| {
            requirements.iter().any(|requirement| {
                let rest = requirement.as_ref().strip_prefix(wanted.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            })
        };
        (self.sections.is_empty() || self.sections.iter().any(in_section))
            && (self.requirements.is_empty() || self.requirements.iter().any(of_requirement))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(sections: &[&str], requirements: &[&str]) -> Selection {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Selection {
            sections: owned(sections),
            requirements: owned(requirements),
            profiles: Vec::new(),
        }
    }

    #[test]
    fn a_section_a_case_a_requirement_or_an_area_can_be_chosen() {
        let req = ["DC-CONN-030", "DC-WIRE-017"];
        assert!(selection(&[], &[]).takes_parts("hello/second", &req));
        assert!(selection(&["hello"], &[]).takes_parts("hello/second", &req));
        assert!(selection(&["hello/second"], &[]).takes_parts("hello/second", &req));
        assert!(!selection(&["hell"], &[]).takes_parts("hello/second", &req));
        assert!(selection(&[], &["DC-WIRE"]).takes_parts("hello/second", &req));
        assert!(selection(&[], &["DC-CONN-030"]).takes_parts("hello/second", &req));
        assert!(!selection(&[], &["DC-CONN-03"]).takes_parts("hello/second", &req));
        assert!(!selection(&["ping"], &["DC-WIRE"]).takes_parts("hello/second", &req));
    }
}
