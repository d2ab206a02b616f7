package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"sync"
)

// object is a JSON object that is about to be printed.
type object map[string]any

// printer writes one JSON object a line; any goroutine may use it.
type printer struct {
	lock sync.Mutex
	out  *bufio.Writer
}

func newPrinter(out io.Writer) *printer {
	return &printer{out: bufio.NewWriterSize(out, 1<<16)}
}

func (p *printer) print(o object) {
	p.lock.Lock()
	defer p.lock.Unlock()
	encoder := json.NewEncoder(p.out)
	encoder.SetEscapeHTML(false)
	// A reader that has gone away is seen as the end of the input.
	_ = encoder.Encode(o)
	_ = p.out.Flush()
}

// decodeStrictly reads one JSON value and refuses fields that nobody knows.
func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
