//! Whether and how to take part in the distributed hash table: the table `[dht]` of `config.toml`.

use serde::Deserialize;
use toml::Spanned;

/// Most leading zero bits that a network may ask of a puzzle: 2²⁴ tries are hours of a core, far
/// more than any network that people join asks.
const MAX_DIFFICULTY: u8 = 24;

/// The table as it is written. Keys that are not listed here are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DhtTable {
    /// Whether to take part at all.
    pub(super) enabled: Option<bool>,
    /// `auto` (the default), `always` or `never`.
    serve: Option<Serve>,
    /// Leading zero bits that the network asks of a node's puzzle.
    difficulty: Option<Spanned<u8>>,
}

/// When to answer the questions of others and to keep records for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Serve {
    /// While others can reach this node, as they tell it; with the role of a relay or of a bootstrap
    /// node, always.
    #[default]
    Auto,
    /// Always: the address others are to use is known to be reachable.
    Always,
    /// Never.
    Never,
}

/// How to take part in the distributed hash table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dht {
    /// Whether to take part at all.
    pub enabled: bool,
    /// When to serve others.
    pub serve: Serve,
    /// Leading zero bits of the puzzle; `None` for those of the public network.
    pub difficulty: Option<u8>,
}

impl Default for Dht {
    fn default() -> Self {
        Self {
            enabled: true,
            serve: Serve::Auto,
            difficulty: None,
        }
    }
}

impl DhtTable {
    /// What the table means, apart from `enabled`, which flags and variables may override.
    ///
    /// # Errors
    /// The name of the key, where its value is, and what is wrong with it.
    pub(super) fn read(&self, enabled: bool) -> Result<Dht, (&'static str, usize, String)> {
        if let Some(difficulty) = &self.difficulty
            && *difficulty.get_ref() > MAX_DIFFICULTY
        {
            let problem = format!(
                "{} leading zero bits take longer to find than a computer lasts; at most \
                 {MAX_DIFFICULTY} can be asked",
                difficulty.get_ref()
            );
            return Err(("dht.difficulty", difficulty.span().start, problem));
        }
        Ok(Dht {
            enabled,
            serve: self.serve.unwrap_or_default(),
            difficulty: self.difficulty.as_ref().map(|bits| *bits.get_ref()),
        })
    }
}
