//! Runs targets on kept inputs changed at random, without libFuzzer, and prints how often:
//! `cargo run --release --manifest-path fuzz/Cargo.toml --example mutate -- SECONDS SEED [TARGET]…`.

use std::time::Duration;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
    let (Some(seconds), Some(seed)) = (number(), number()) else {
        eprintln!("mutate SECONDS SEED [TARGET]…: for each target, two numbers");
        std::process::exit(2);
    };
    let wanted: Vec<String> = arguments.collect();
    println!("| target | executions | executions/s |\n|---|---|---|");
    for (name, target) in dchat_fuzz::TARGETS {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            let each = Duration::from_secs(seconds);
            let executions = dchat_fuzz::mutate(name, target, seed, each)?;
            println!(
                "| `{name}` | {executions} | {} |",
                executions / seconds.max(1)
            );
        }
    }
    Ok(())
}
