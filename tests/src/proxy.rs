//! A TCP proxy that a test puts on the way to a broker: it passes, delays, narrows, goes silent or is gone, both ways or one,
//! and changes while it runs.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What the proxy does with what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything at once.
    Pass,
    /// Passes everything, each way this much later.
    Delay(Duration),
    /// Passes everything, so many bytes a second on each way of each connection.
    Narrow(u32),
    /// Connections stay and new ones open, but nothing passes: what was sent waits.
    Silent,
    /// Ends every connection, and each new one at once.
    Gone,
}

/// One way through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What clients send.
    ToBroker,
    /// What the broker answers.
    ToClient,
}

/// Chunks that wait on one way of one connection; a sender of more is slowed, as by a full socket.
const WAITING_MAX: usize = 256;
/// What is passed at once on a narrow way.
const PIECE: usize = 512;

#[derive(Debug)]
struct Switch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    to_broker: Mode,
    to_client: Mode,
    open: Vec<TcpStream>,
    dropped: bool,
}

impl State {
    fn mode(&self, way: Way) -> Mode {
        match way {
            Way::ToBroker => self.to_broker,
            Way::ToClient => self.to_client,
        }
    }
}

impl Switch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        for stream in self.state().open.drain(..) {
            // The other side may have ended it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Waits until what arrived then may pass; false when there is nobody to pass it to.
    fn wait(&self, arrived: Instant, way: Way) -> bool {
        let mut state = self.state();
        loop {
            let due = match state.mode(way) {
                _ if state.dropped => return false,
                Mode::Gone => return false,
                Mode::Pass | Mode::Narrow(_) => return true,
                Mode::Delay(delay) => Some((arrived + delay).saturating_duration_since(Instant::now())),
                Mode::Silent => None,
            };
            state = match due {
                Some(Duration::ZERO) => return true,
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// A proxy in front of a port of this machine; gone when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    switch: Arc<Switch>,
}

impl Proxy {
    /// Listens on a port of its own and passes everything to that one.
    pub fn to(port: u16) -> io::Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", crate::ports::free_port()))?;
        let state = State { to_broker: Mode::Pass, to_client: Mode::Pass, open: Vec::new(), dropped: false };
        let switch = Arc::new(Switch { state: Mutex::new(state), changed: Condvar::new() });
        let proxy = Proxy { port: listener.local_addr()?.port(), switch: Arc::clone(&switch) };
        thread::spawn(move || accept(&listener, port, &switch));
        Ok(proxy)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Does this from now on, with open connections too.
    pub fn set(&self, mode: Mode) {
        for way in [Way::ToBroker, Way::ToClient] {
            self.set_way(way, mode);
        }
    }

    /// Does this on one way from now on; what is gone one way is gone both ways.
    pub fn set_way(&self, way: Way, mode: Mode) {
        {
            let mut state = self.switch.state();
            match way {
                Way::ToBroker => state.to_broker = mode,
                Way::ToClient => state.to_client = mode,
            }
        }
        self.switch.changed.notify_all();
        if mode == Mode::Gone {
            self.switch.cut();
        }
    }

    /// Ends the connections that there are; new ones are as the mode says.
    pub fn cut(&self) {
        self.switch.cut();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.switch.state().dropped = true;
        self.set(Mode::Gone);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn accept(listener: &TcpListener, port: u16, switch: &Arc<Switch>) {
    for client in listener.incoming().map_while(Result::ok) {
        let is_gone = {
            let state = switch.state();
            if state.dropped {
                return;
            }
            [state.to_broker, state.to_client].contains(&Mode::Gone)
        };
        if !is_gone {
            // Nobody there: the client's connection ends, as it would without a proxy.
            let _ = TcpStream::connect(("127.0.0.1", port)).and_then(|broker| join(&client, &broker, switch));
        }
    }
}

fn join(client: &TcpStream, broker: &TcpStream, switch: &Arc<Switch>) -> io::Result<()> {
    // Those that have ended have no peer.
    switch.state().open.retain(|stream| stream.peer_addr().is_ok());
    for stream in [client, broker] {
        stream.set_nodelay(true)?;
        switch.state().open.push(stream.try_clone()?);
    }
    for (from, to, way) in [(client, broker, Way::ToBroker), (broker, client, Way::ToClient)] {
        let (from, to, switch) = (from.try_clone()?, to.try_clone()?, Arc::clone(switch));
        let (sender, receiver) = sync_channel(WAITING_MAX);
        thread::spawn(move || read(from, &sender));
        thread::spawn(move || write(to, &receiver, &switch, way));
    }
    Ok(())
}

fn read(mut from: TcpStream, to: &SyncSender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let chunk = buffer.get(..len).unwrap_or_default().to_vec();
        if to.send((Instant::now(), chunk)).is_err() {
            break;
        }
    }
    // It may have been ended from outside.
    let _ = from.shutdown(Shutdown::Read);
}

fn write(mut to: TcpStream, from: &Receiver<(Instant, Vec<u8>)>, switch: &Switch, way: Way) {
    for (arrived, chunk) in from {
        if !switch.wait(arrived, way) || pass(&mut to, &chunk, switch, way).is_err() {
            break;
        }
    }
    // It may have been ended from outside.
    let _ = to.shutdown(Shutdown::Write);
}

fn pass(to: &mut TcpStream, chunk: &[u8], switch: &Switch, way: Way) -> io::Result<()> {
    if !matches!(switch.state().mode(way), Mode::Narrow(_)) {
        return to.write_all(chunk);
    }
    for piece in chunk.chunks(PIECE) {
        // It may be wide again meanwhile.
        if let Mode::Narrow(bytes) = switch.state().mode(way) {
            let piece = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            thread::sleep(Duration::from_secs(1) * piece / bytes.max(1));
        }
        to.write_all(piece)?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// A server that sends back what it gets, until its client is gone.
    fn echo() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || io::copy(&mut stream.try_clone().unwrap(), &mut stream));
            }
        });
        port
    }

    fn ask(stream: &mut TcpStream) -> io::Result<[u8; 4]> {
        stream.write_all(b"ping")?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn it_does_what_it_is_switched_to() {
        let proxy = Proxy::to(echo()).unwrap();
        let connect = || TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let mut stream = connect();
        assert_eq!(&ask(&mut stream).unwrap(), b"ping");

        let each_way = Duration::from_millis(40);
        proxy.set(Mode::Delay(each_way));
        let asked = Instant::now();
        ask(&mut stream).unwrap();
        assert!(asked.elapsed() >= each_way * 2, "{:?}", asked.elapsed());

        proxy.set(Mode::Silent);
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(ask(&mut stream).is_err());
        proxy.set(Mode::Pass);
        stream.set_read_timeout(None).unwrap();
        let mut waited = [0; 4];
        stream.read_exact(&mut waited).unwrap();
        assert_eq!(&waited, b"ping", "what was sent in the silence arrives after it");

        proxy.set(Mode::Narrow(40));
        let asked = Instant::now();
        ask(&mut stream).unwrap();
        assert!(asked.elapsed() >= Duration::from_millis(200), "{:?}", asked.elapsed());
        proxy.set(Mode::Pass);

        proxy.set_way(Way::ToClient, Mode::Silent);
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(ask(&mut stream).is_err());
        proxy.cut();
        proxy.set(Mode::Pass);
        assert!(ask(&mut stream).is_err());
        assert!(ask(&mut connect()).is_ok());
        proxy.set(Mode::Gone);
        assert!(ask(&mut connect()).is_err());
        proxy.set(Mode::Pass);
        assert!(ask(&mut connect()).is_ok());
    }
}
