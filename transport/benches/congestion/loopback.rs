//! Real sockets on loopback: ours against CUBIC with the same windows, in interleaved pairs.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use dchat_transport::congestion::{PathControl, PathId, recommended_transport_config};
use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use quinn_proto::{TransportConfig, congestion::CubicConfig};

use crate::support::flow::tls;

const PAIRS: usize = 15;
const TOTAL: usize = 512 << 20;
/// Both directions; the default of 208 KiB loses packets at these rates.
const SOCKET_BUFFER: usize = 4 << 20;

pub(crate) fn run() {
    println!(
        "(g) loopback, real sockets, one stream of 512 MiB, {PAIRS} interleaved pairs; medians"
    );
    let mut speeds = Vec::new();
    let mut costs = Vec::new();
    let mut absolute = [Vec::new(), Vec::new()];
    for pair in 0..PAIRS {
        let mut results = [(0.0, 0.0); 2];
        for turn in 0..2 {
            let ours = (pair + turn) % 2 == 0;
            results[usize::from(ours)] = transfer(ours);
        }
        let [cubic, ours] = results;
        speeds.push(ours.0 / cubic.0);
        costs.push(ours.1 / cubic.1);
        absolute[0].push(cubic.0);
        absolute[1].push(ours.0);
    }
    let [cubic, ours] = absolute.map(median);
    println!("  CUBIC {cubic:.0} MB/s, ours {ours:.0} MB/s");
    println!(
        "  ours / CUBIC: throughput {:.3} (target 0.97), CPU {:.3} (target 1)",
        median(speeds),
        median(costs)
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// MB/s and CPU seconds of one transfer.
fn transfer(ours: bool) -> (f64, f64) {
    let config = || -> Arc<TransportConfig> {
        let control = PathControl::new(PathId(0), Instant::now(), 1);
        let mut config = recommended_transport_config(&control);
        if !ours {
            config.congestion_controller_factory(Arc::new(CubicConfig::default()));
        }
        config.max_idle_timeout(Some(Duration::from_secs(5).try_into().unwrap()));
        Arc::new(config)
    };
    let (mut client, server) = tls();
    client.transport_config(config());
    let mut server = quinn::ServerConfig::with_crypto(server);
    server.transport_config(config());
    let (bound, address) = std::sync::mpsc::channel();
    let receiver = std::thread::spawn(move || {
        runtime().block_on(async move {
            let endpoint = endpoint(Some(server));
            bound.send(endpoint.local_addr().unwrap()).unwrap();
            let connection = endpoint.accept().await.unwrap().await.unwrap();
            let mut stream = connection.accept_uni().await.unwrap();
            let mut received = 0;
            while let Some(chunk) = stream.read_chunk(usize::MAX, true).await.unwrap() {
                received += chunk.bytes.len();
            }
            connection.close(0u32.into(), b"");
            endpoint.wait_idle().await;
            received
        })
    });
    let address = address.recv().unwrap();
    let (began, cpu) = (Instant::now(), cpu_seconds());
    runtime().block_on(async move {
        let endpoint = endpoint(None);
        let connection = endpoint.connect_with(client, address, "localhost");
        let connection = connection.unwrap().await.unwrap();
        let mut stream = connection.open_uni().await.unwrap();
        let chunk = vec![0x5a; 1 << 20];
        for _ in 0..TOTAL / chunk.len() {
            stream.write_all(&chunk).await.unwrap();
        }
        stream.finish().unwrap();
        connection.closed().await;
    });
    assert_eq!(receiver.join().unwrap(), TOTAL);
    let speed = TOTAL as f64 / began.elapsed().as_secs_f64() / 1e6;
    (speed, cpu_seconds() - cpu)
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

fn endpoint(server: Option<quinn::ServerConfig>) -> Endpoint {
    let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let state = quinn_udp::UdpSocketState::new((&socket).into()).unwrap();
    let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER);
    let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER);
    let config = EndpointConfig::default();
    Endpoint::new(config, server, socket, Arc::new(TokioRuntime)).unwrap()
}

/// User and system time of this process; Linux counts it in hundredths.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
