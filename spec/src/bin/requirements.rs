//! Writes `requirements.json`, and the matrix for people to `target/requirements.html`.
//!
//! Of `tests/documents/holes.txt`, the list of what has no test yet, it takes out what has one now;
//! it adds nothing to it.

use std::error::Error;
use std::path::Path;

use dchat_spec::document::folder;
use dchat_spec::requirement::{Index, matrix};

fn main() -> Result<(), Box<dyn Error>> {
    let index = Index::collect()?;
    std::fs::write(folder().join("requirements.json"), index.to_file()?)?;
    let target = folder().parent().unwrap_or(folder()).join("target");
    std::fs::create_dir_all(&target)?;
    std::fs::write(target.join("requirements.html"), matrix::page(&index)?)?;
    shrink(&folder().join("tests/documents/holes.txt"), &index.holes())?;
    Ok(())
}

fn shrink(list: &Path, holes: &[String]) -> std::io::Result<()> {
    let Ok(known) = std::fs::read_to_string(list) else {
        return Ok(());
    };
    let left = known
        .lines()
        .filter(|line| holes.iter().any(|hole| hole == line));
    let left: Vec<String> = left.map(|line| format!("{line}\n")).collect();
    if left.is_empty() {
        return std::fs::remove_file(list);
    }
    std::fs::write(list, left.concat())
}
