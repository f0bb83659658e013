//! Fuzzing without libFuzzer: kept inputs changed at random, on any toolchain, without feedback.
//!
//! It finds less for each execution than a fuzzer that sees what is covered, and executes far more
//! of them: there is no sanitizer and no instrumentation. What it does is a function of its seed, so a
//! panic is repeated by the same command.

use std::panic::{catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::{Target, dictionary, root};

/// Longest input made, in bytes: as long as libFuzzer's.
const LONGEST: usize = 4096;
/// Changes of one input.
const CHANGES: u64 = 6;

/// Numbers from a seed (xorshift64*, Vigna 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 when that is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16).checked_rem(end as u64).unwrap_or(0) as usize
    }
}

/// Runs `target` on changed inputs of its corpus for about `each`, and tells how many.
///
/// # Errors
/// When the corpus cannot be read.
///
/// # Panics
/// When the target does; the input is then in `found/`.
pub fn mutate(name: &str, target: Target, seed: u64, each: Duration) -> std::io::Result<u64> {
    let corpus = corpus(name)?;
    let words = words();
    // A seed of zero would stay zero.
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut executions, start) = (0, Instant::now());
    while start.elapsed() < each {
        for _ in 0..64 {
            let input = changed(&corpus, &words, &mut numbers);
            if let Err(panic) = catch_unwind(|| target(&input)) {
                keep(name, &input)?;
                resume_unwind(panic);
            }
        }
        executions += 64;
    }
    Ok(executions)
}

/// Keeps what a target panics over beside what libFuzzer finds.
fn keep(name: &str, input: &[u8]) -> std::io::Result<()> {
    let folder = root().with_file_name("found").join(name);
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("crash-{}", &blake3::hash(input).to_hex()[..16]));
    std::fs::write(&file, input)?;
    eprintln!("the input is in {}", file.display());
    Ok(())
}

fn corpus(name: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let mut files: Vec<_> = std::fs::read_dir(root().join(name))?
        .map(|file| Ok(file?.path()))
        .collect::<std::io::Result<_>>()?;
    // In one order everywhere, or a seed would not mean the same.
    files.sort();
    files.iter().map(std::fs::read).collect()
}

/// The words of the dictionary.
fn words() -> Vec<Vec<u8>> {
    let text = dictionary();
    text.lines()
        .filter_map(|line| line.split_once('"')?.1.strip_suffix('"'))
        .map(|word| {
            word.split("\\x")
                .filter_map(|byte| u8::from_str_radix(byte, 16).ok())
                .collect()
        })
        .collect()
}

fn changed(corpus: &[Vec<u8>], words: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut input = corpus[numbers.below(corpus.len())].clone();
    for _ in 0..=numbers.next() % CHANGES {
        change(&mut input, corpus, words, numbers);
    }
    input.truncate(LONGEST);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[Vec<u8>], numbers: &mut Numbers) {
    let at = numbers.below(input.len());
    let len = numbers.below(16.min(input.len().saturating_sub(at) + 1));
    match numbers.next() % 9 {
        0 => flip(input, at, numbers),
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = numbers.next() as u8;
            }
        }
        2 => drop(input.drain(at..at + len)),
        3 => {
            let again = input[at..at + len].to_vec();
            input.splice(at..at, again);
        }
        4 => {
            let word = &words[numbers.below(words.len())];
            input.splice(at..at, word.iter().copied());
        }
        5 => {
            let word = &words[numbers.below(words.len())];
            let end = (at + word.len()).min(input.len());
            input.splice(at..end, word.iter().copied());
        }
        6 => {
            let other = &corpus[numbers.below(corpus.len())];
            let from = numbers.below(other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        7 => input.truncate(at),
        // A count, an index, a time: one more or less.
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte = byte.wrapping_add([1, 0xff][numbers.below(2)]);
            }
        }
    }
}

fn flip(input: &mut [u8], at: usize, numbers: &mut Numbers) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << (numbers.next() % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::{Numbers, changed, corpus, words};
    use crate::TARGETS;

    #[test]
    fn every_target_passes_some_changed_inputs() {
        let words = words();
        for (name, target) in TARGETS {
            let corpus = corpus(name).unwrap();
            let mut numbers = Numbers(1);
            for _ in 0..50 {
                target(&changed(&corpus, &words, &mut numbers));
            }
        }
    }

    #[test]
    fn words_are_those_of_the_dictionary() {
        assert!(words().contains(&vec![1, 0, 1, 0]), "the header of HELLO");
        assert!(words().contains(&b"dchat:".to_vec()));
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let corpus = corpus("stun").unwrap();
        let inputs = || {
            let mut numbers = Numbers(7);
            [(); 100].map(|()| changed(&corpus, &words(), &mut numbers))
        };
        assert_eq!(inputs(), inputs());
    }
}
