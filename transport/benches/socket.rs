//! Our socket against quinn's own, in interleaved pairs on loopback, with the same settings.
//!
//! `cargo bench -p dchat-transport --bench socket -- [--pairs N] [--mib N] [--long]`; `--long` moves
//! 1 GiB per run. Printed are medians and the ratio of medians.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement talks to its user and stops when something is wrong"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use support::{configs, connect, endpoint_config, node};

const REQUESTS: usize = 3000;

/// One run: seconds, CPU seconds of the whole process, and seconds of the median request.
#[derive(Clone, Copy)]
struct Sample {
    seconds: f64,
    cpu: f64,
    request: f64,
}

fn main() {
    let mut pairs = 15;
    let mut mib = 256;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            args.next()
                .and_then(|text| text.parse().ok())
                .expect("a number")
        };
        match arg.as_str() {
            "--pairs" => pairs = number(),
            "--mib" => mib = number(),
            "--long" => mib = 1024,
            "--bench" => {}
            other => panic!("unknown argument {other}"),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let run = |ours| runtime.block_on(sample(ours, mib << 20));
    run(true);
    run(false);
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        // Who comes first alternates, so that drift favours neither.
        let order = if pair % 2 == 0 {
            [true, false]
        } else {
            [false, true]
        };
        for which in order {
            let of = if which { &mut ours } else { &mut plain };
            of.push(run(which));
        }
    }
    println!("{pairs} interleaved pairs, {mib} MiB on one stream, {REQUESTS} requests of 64 bytes");
    report("seconds", &ours, &plain, |sample| sample.seconds);
    report("CPU seconds", &ours, &plain, |sample| sample.cpu);
    report("request, µs", &ours, &plain, |sample| sample.request * 1e6);
    let rate = |samples: &[Sample]| mib as f64 / median(samples, |sample| sample.seconds);
    println!(
        "throughput: ours {:.1} MiB/s, plain {:.1} MiB/s, ratio {:.3}",
        rate(&ours),
        rate(&plain),
        rate(&ours) / rate(&plain)
    );
}

fn report(what: &str, ours: &[Sample], plain: &[Sample], of: impl Fn(&Sample) -> f64) {
    let (a, b) = (median(ours, &of), median(plain, &of));
    println!("{what}: ours {a:.3}, plain {b:.3}, ratio {:.3}", a / b);
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn sample(ours: bool, bytes: usize) -> Sample {
    let configs = configs(None);
    if ours {
        let (one, other) = (
            node(&["127.0.0.1:0"], 1, &configs),
            node(&["127.0.0.1:0"], 2, &configs),
        );
        let to = other.paths.local_addrs()[0];
        let (dialed, accepted) = connect(&one, &other, to).await;
        measure(dialed, accepted, bytes).await
    } else {
        let (one, other) = (plain(&configs.0), plain(&configs.0));
        let to = other.local_addr().unwrap();
        let dial = one.connect_with(configs.1.clone(), to, "peer").unwrap();
        let accept = async { other.accept().await.unwrap().await.unwrap() };
        let (dialed, accepted) = tokio::join!(dial, accept);
        measure(dialed.unwrap(), accepted, bytes).await
    }
}

/// quinn on its own socket, with kernel buffers of the same size.
fn plain(server: &quinn::ServerConfig) -> quinn::Endpoint {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let socket = std::net::UdpSocket::bind(any).unwrap();
    let options = socket2::SockRef::from(&socket);
    options.set_send_buffer_size(4 << 20).unwrap();
    options.set_recv_buffer_size(4 << 20).unwrap();
    quinn::Endpoint::new(
        endpoint_config(),
        Some(server.clone()),
        socket,
        Arc::new(quinn::TokioRuntime),
    )
    .unwrap()
}

async fn measure(dialed: quinn::Connection, accepted: quinn::Connection, bytes: usize) -> Sample {
    let echo = tokio::spawn({
        let accepted = accepted.clone();
        async move {
            for _ in 0..REQUESTS {
                let (mut send, mut receive) = accepted.accept_bi().await.unwrap();
                let request = receive.read_to_end(64).await.unwrap();
                send.write_all(&request).await.unwrap();
                send.finish().unwrap();
            }
        }
    });
    let mut requests = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let start = Instant::now();
        let (mut send, mut receive) = dialed.open_bi().await.unwrap();
        send.write_all(&[7; 64]).await.unwrap();
        send.finish().unwrap();
        assert_eq!(receive.read_to_end(64).await.unwrap().len(), 64);
        requests.push(start.elapsed().as_secs_f64());
    }
    echo.await.unwrap();
    requests.sort_by(f64::total_cmp);

    let cpu_before = cpu_seconds();
    let start = Instant::now();
    let sink = tokio::spawn(async move {
        let mut stream = accepted.accept_uni().await.unwrap();
        let mut received = 0;
        while let Some(chunk) = stream.read_chunk(usize::MAX, true).await.unwrap() {
            received += chunk.bytes.len();
        }
        received
    });
    let mut stream = dialed.open_uni().await.unwrap();
    let block = vec![0x5a; 1 << 20];
    for _ in 0..bytes / block.len() {
        stream.write_all(&block).await.unwrap();
    }
    stream.finish().unwrap();
    assert_eq!(sink.await.unwrap(), bytes);
    Sample {
        seconds: start.elapsed().as_secs_f64(),
        cpu: cpu_seconds() - cpu_before,
        request: requests[requests.len() / 2],
    }
}

/// CPU time of all threads, from the scheduler's own count in nanoseconds (Linux; 0 elsewhere).
fn cpu_seconds() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return 0.0;
    };
    let nanos: u64 = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    nanos as f64 / 1e9
}
