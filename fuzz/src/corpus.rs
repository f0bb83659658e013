//! Where the corpora are, and how a target is run on files.

use std::path::PathBuf;

use crate::Target;

/// The directory of all corpora.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Runs `target` on every file named on the command line.
///
/// # Errors
/// When a file cannot be read.
pub fn replay_arguments(target: Target) -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        target(&std::fs::read(&path)?);
        println!("{}: passed", path.to_string_lossy());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::root;
    use crate::{TARGETS, seeds};

    fn files(target: &str) -> BTreeMap<String, Vec<u8>> {
        fs::read_dir(root().join(target))
            .unwrap()
            .map(|file| file.unwrap())
            .map(|file| {
                let name = file.file_name().into_string().unwrap();
                (name, fs::read(file.path()).unwrap())
            })
            .collect()
    }

    /// Checks DC-GEN-003 (negative).
    #[test]
    fn every_kept_input_passes_its_target() {
        for (name, target) in TARGETS {
            for (file, bytes) in files(name) {
                println!("{name}/{file}");
                target(&bytes);
            }
        }
    }

    #[test]
    fn the_seeds_are_the_ones_their_command_makes() {
        for (name, _) in TARGETS {
            let files = files(name);
            let seeds: Vec<_> = seeds()
                .into_iter()
                .filter(|seed| seed.target == name)
                .collect();
            assert!(!seeds.is_empty(), "{name} has no seeds");
            let kept = files.keys().filter(|file| file.starts_with("seed-"));
            assert_eq!(kept.count(), seeds.len(), "{name} keeps seeds nobody makes");
            for seed in seeds {
                assert_eq!(
                    files.get(&seed.name),
                    Some(&seed.bytes),
                    "{name}/{}",
                    seed.name
                );
            }
        }
    }

    #[test]
    fn seeds_reach_past_the_first_check() {
        // A seed that its target throws away at once would leave the fuzzer at the door.
        for seed in seeds() {
            assert!(!seed.bytes.is_empty(), "{}/{}", seed.target, seed.name);
            assert!(
                seed.bytes.len() <= 2048,
                "{}/{} is large",
                seed.target,
                seed.name
            );
        }
    }
}
