//! Writes the seeds of every corpus and the dictionary: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.

use std::fs;

fn main() -> std::io::Result<()> {
    fs::write(
        dchat_fuzz::root().with_file_name("dictionary"),
        dchat_fuzz::dictionary(),
    )?;
    for seed in dchat_fuzz::seeds() {
        let directory = dchat_fuzz::root().join(seed.target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(&seed.name), &seed.bytes)?;
    }
    Ok(())
}
