//! A TCP proxy that a test puts on the way to a broker: it passes, delays, goes silent or is gone, and changes while it runs.

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
    /// Connections stay and new ones open, but nothing passes: what was sent waits.
    Silent,
    /// Ends every connection, and each new one at once.
    Gone,
}

/// Chunks that wait on one way of one connection; a sender of more is slowed, as by a full socket.
const WAITING_MAX: usize = 256;

#[derive(Debug)]
struct Switch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    open: Vec<TcpStream>,
    dropped: bool,
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
    fn wait(&self, arrived: Instant) -> bool {
        let mut state = self.state();
        loop {
            let due = match state.mode {
                _ if state.dropped => return false,
                Mode::Gone => return false,
                Mode::Pass => return true,
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
        let state = State { mode: Mode::Pass, open: Vec::new(), dropped: false };
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
        self.switch.state().mode = mode;
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
        let mode = {
            let state = switch.state();
            if state.dropped {
                return;
            }
            state.mode
        };
        if mode != Mode::Gone {
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
    for (from, to) in [(client, broker), (broker, client)] {
        let (from, to, switch) = (from.try_clone()?, to.try_clone()?, Arc::clone(switch));
        let (sender, receiver) = sync_channel(WAITING_MAX);
        thread::spawn(move || read(from, &sender));
        thread::spawn(move || write(to, &receiver, &switch));
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

fn write(mut to: TcpStream, from: &Receiver<(Instant, Vec<u8>)>, switch: &Switch) {
    for (arrived, chunk) in from {
        if !switch.wait(arrived) || to.write_all(&chunk).is_err() {
            break;
        }
    }
    // It may have been ended from outside.
    let _ = to.shutdown(Shutdown::Write);
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

        proxy.cut();
        assert!(ask(&mut stream).is_err());
        assert!(ask(&mut connect()).is_ok());
        proxy.set(Mode::Gone);
        assert!(ask(&mut connect()).is_err());
        proxy.set(Mode::Pass);
        assert!(ask(&mut connect()).is_ok());
    }
}
