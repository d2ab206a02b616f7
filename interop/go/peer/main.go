// Program peer runs one node of hashicorp/raft with a key-value state machine. It is driven line by
// line over standard input and output, and is the counterpart of interop/peer.ts.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// readLines gives every line of standard input, and closes at its end.
func readLines() <-chan []byte {
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		in := bufio.NewReaderSize(os.Stdin, 1<<16)
		for {
			line, err := in.ReadBytes('\n')
			if len(line) > 1 {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	return lines
}

func refuse(out *printer, text string) {
	out.print(object{"id": nil, "ok": false, "error": text})
}

func answer(n *node, r *request, out *printer) {
	result, err := ops[r.Op](n, r)
	reply := outcome(result, err)
	reply["id"] = r.ID
	out.print(reply)
}

// serve answers requests until one of them, or the end of the input, ends the node.
func serve(n *node, signals <-chan os.Signal, out *printer) error {
	lines := readLines()
	for {
		select {
		case <-signals:
			return n.close()
		case line, more := <-lines:
			if !more {
				return n.close()
			}
			r := &request{}
			if err := json.Unmarshal(line, r); err != nil {
				refuse(out, "not a request: "+err.Error())
			} else if r.Op == "shutdown" {
				err := n.close()
				reply := outcome(nil, err)
				reply["id"] = r.ID
				out.print(reply)
				return err
			} else if ops[r.Op] == nil {
				refuse(out, fmt.Sprintf("unknown op %q", r.Op))
			} else {
				go answer(n, r, out)
			}
		}
	}
}

func run() error {
	o, err := parseOptions(os.Args[1:])
	if err != nil {
		return err
	}
	n, err := startNode(o)
	if err != nil {
		return err
	}
	out := newPrinter(os.Stdout)
	n.watchLeadership(out)
	if o.observe {
		n.observe(out)
	}
	// Whoever is told that the node is ready may end it at once, and in good order.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	out.print(object{"event": "ready", "id": o.id, "address": n.transport.LocalAddr()})
	return serve(n, signals, out)
}

func main() {
	err := run()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
