//! Prints how often each parser runs in a second on one core:
//! `cargo run --release --manifest-path fuzz/Cargo.toml --example rate -- [MILLISECONDS]`.

use std::time::Duration;

fn main() {
    let each = match std::env::args().nth(1).map(|text| text.parse()) {
        Some(Ok(milliseconds)) => Duration::from_millis(milliseconds),
        Some(Err(_)) => {
            eprintln!("rate [MILLISECONDS]: for each parser, a number");
            std::process::exit(2);
        }
        None => Duration::from_millis(500),
    };
    println!("| parser | executions/s | bytes | accepted |\n|---|---|---|---|");
    let mut rates = dchat_fuzz::rates(each);
    rates.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
    for rate in rates {
        println!(
            "| {} | {:.0} | {:.0} | {:.0} % |",
            rate.name,
            rate.per_second,
            rate.bytes,
            rate.accepted * 100.0
        );
    }
}
