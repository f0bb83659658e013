//! A UPnP gateway: answers a search with its address, describes itself, and does what it is asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    /// Answers the search and then takes connections without a word.
    Hangs,
    /// Describes itself in nested elements without end.
    Deep,
    /// The wanted port is another's.
    Taken,
    /// Knows mappings that stay only.
    Permanent,
    /// Says that its owner does not want it.
    Closed,
}

pub(super) struct Device {
    pub(super) ssdp: SocketAddr,
    /// Names of the actions that were asked for, each with the arguments' values.
    asked: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Device {
    pub(super) async fn start(ip: &str, manner: Manner) -> Self {
        let ip: std::net::IpAddr = ip.parse().unwrap();
        let search = UdpSocket::bind((ip, 0)).await.unwrap();
        let web = TcpListener::bind((ip, 0)).await.unwrap();
        let ssdp = search.local_addr().unwrap();
        let location = web.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut bytes = [0; 1500];
            loop {
                let (_, from) = search.recv_from(&mut bytes).await.unwrap();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: http://{location}/desc.xml\r\n\r\n"
                );
                search.send_to(answer.as_bytes(), from).await.unwrap();
            }
        });
        let log = Arc::clone(&asked);
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = web.accept().await.unwrap();
                let log = Arc::clone(&log);
                open.spawn(async move { serve(stream, manner, &log).await });
            }
        });
        Self {
            ssdp,
            asked,
            _tasks: tasks,
        }
    }

    pub(super) fn asked(&self, action: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let asked = asked.iter().filter(|one| one.starts_with(action));
        asked.cloned().collect()
    }
}

/// Answers one request.
async fn serve(mut stream: TcpStream, manner: Manner, log: &Mutex<Vec<String>>) -> Option<()> {
    if manner == Manner::Hangs {
        return core::future::pending().await;
    }
    let request = request(&mut stream).await?;
    let (status, body) = match request.split_whitespace().nth(1)? {
        "/desc.xml" if manner == Manner::Deep => ("200 OK", "<a>".repeat(300_000)),
        "/desc.xml" => ("200 OK", DESCRIPTION.to_owned()),
        "/scpd.xml" => ("200 OK", actions()),
        _ => act(&request, manner, log)?,
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body.as_bytes()).await.ok()
}

async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut some = [0; 4096];
        let read = stream.read(&mut some).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend(&some[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(text);
        }
    }
}

fn value(request: &str, name: &str) -> Option<String> {
    let (_, rest) = request.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.trim().to_owned())
}

fn act(request: &str, manner: Manner, log: &Mutex<Vec<String>>) -> Option<(&'static str, String)> {
    let line = request.lines().find(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("soapaction:")
    })?;
    let action = line.split_once('#')?.1.trim_end_matches(['"', '\r']);
    let arguments: Vec<String> = ["NewExternalPort", "NewLeaseDuration", "InternalPort"]
        .iter()
        .chain(&["LeaseTime", "NewLeaseTime", "UniqueID"])
        .filter_map(|name| value(request, name))
        .collect();
    log.lock()
        .unwrap()
        .push(format!("{action} {}", arguments.join(" ")));
    let lease = value(request, "NewLeaseDuration").unwrap_or_default();
    let fault = match action {
        _ if manner == Manner::Closed => 606,
        "AddPortMapping" if manner == Manner::Taken => {
            let port = value(request, "NewExternalPort")?;
            if port == "4001" { 718 } else { 0 }
        }
        "AddPortMapping" if manner == Manner::Permanent && lease != "0" => 725,
        _ => 0,
    };
    if fault != 0 {
        let body = format!(
            "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>{fault}</errorCode><errorDescription>no</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>"
        );
        return Some(("500 Internal Server Error", body));
    }
    let inner = match action {
        "GetExternalIPAddress" => "<NewExternalIPAddress>203.0.113.7</NewExternalIPAddress>",
        "AddPinhole" => "<UniqueID>5</UniqueID>",
        _ => "",
    };
    let body = format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><u:{action}Response xmlns:u=\"urn:x\">{inner}</u:{action}Response></s:Body></s:Envelope>"
    );
    Some(("200 OK", body))
}

const DESCRIPTION: &str = "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/ctl</controlURL><SCPDURL>/scpd.xml</SCPDURL></service><service><serviceType>urn:schemas-upnp-org:service:WANIPv6FirewallControl:1</serviceType><controlURL>/ctl6</controlURL><SCPDURL>/scpd6.xml</SCPDURL></service></serviceList></device></deviceList></device></root>";

fn actions() -> String {
    let action = |name: &str, arguments: &[&str]| {
        let arguments: String = arguments
            .iter()
            .map(|argument| {
                format!("<argument><name>{argument}</name><direction>in</direction></argument>")
            })
            .collect();
        format!("<action><name>{name}</name><argumentList>{arguments}</argumentList></action>")
    };
    let add = [
        "NewRemoteHost",
        "NewExternalPort",
        "NewProtocol",
        "NewInternalPort",
        "NewInternalClient",
        "NewEnabled",
        "NewPortMappingDescription",
        "NewLeaseDuration",
    ];
    let actions = action("AddPortMapping", &add) + &action("DeletePortMapping", &add[..3]);
    format!(
        "<?xml version=\"1.0\"?><scpd xmlns=\"urn:schemas-upnp-org:service-1-0\"><actionList>{actions}</actionList></scpd>"
    )
}
