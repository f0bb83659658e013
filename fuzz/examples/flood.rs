//! Floods a node with datagrams from addresses that have proven nothing, and prints what it sent
//! back: `cargo run --release --manifest-path fuzz/Cargo.toml --example flood -- [DATAGRAMS] [SEED]`.

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse());
    let mut number = |default| match arguments.next() {
        Some(Ok(number)) => number,
        Some(Err(_)) => {
            eprintln!("flood [DATAGRAMS] [SEED]: both are numbers");
            std::process::exit(2);
        }
        None => default,
    };
    let (count, seed) = (number(10_000_000), number(1));
    println!("{:#?}", dchat_fuzz::flood(count, seed));
}
