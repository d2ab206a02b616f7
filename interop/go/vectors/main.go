// Command vectors prints, as JSON, values and the bytes that hashicorp/raft and its msgpack library
// make of them. The TypeScript tests hold the codec of this project to these bytes.
//
//	go run . -out ../../vectors
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// inlineLimit is the longest encoding that is stored as hex; of longer ones the hash must do.
const inlineLimit = 700

// A vector is one value and its bytes.
type vector struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Value any    `json:"value"`
	// NewTime is set when the value was encoded with the newer time format.
	NewTime bool   `json:"newTime,omitempty"`
	Hex     string `json:"hex,omitempty"`
	Length  int    `json:"length,omitempty"`
	Sha256  string `json:"sha256,omitempty"`
}

func handle(newTime bool) *codec.MsgpackHandle {
	return &codec.MsgpackHandle{BasicHandle: codec.BasicHandle{TimeNotBuiltin: !newTime}}
}

func encode(newTime bool, values ...any) []byte {
	var out bytes.Buffer
	encoder := codec.NewEncoder(&out, handle(newTime))
	for _, value := range values {
		if err := encoder.Encode(value); err != nil {
			panic(err)
		}
	}
	return out.Bytes()
}

func newVector(name, kind string, value any, encoded []byte) vector {
	v := vector{Name: name, Kind: kind, Value: value}
	if len(encoded) <= inlineLimit {
		v.Hex = hex.EncodeToString(encoded)
		return v
	}
	sum := sha256.Sum256(encoded)
	v.Length = len(encoded)
	v.Sha256 = hex.EncodeToString(sum[:])
	return v
}

// plain is the vector of a value as a message carries it.
func plain(kind string, name string, value any) vector {
	return newVector(name, kind, describe(value), encode(false, value))
}

func write(dir, name string, vectors []vector) {
	var out bytes.Buffer
	out.WriteString("[\n")
	for i, v := range vectors {
		line, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		out.Write(line)
		if i < len(vectors)-1 {
			out.WriteString(",")
		}
		out.WriteString("\n")
	}
	out.WriteString("]\n")
	if err := os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644); err != nil {
		panic(err)
	}
	fmt.Printf("%s: %d vectors\n", name, len(vectors))
}

func main() {
	dir := flag.String("out", ".", "directory that the JSON files go to")
	flag.Parse()
	// A zone of the machine must not find its way into the files.
	time.Local = time.UTC
	write(*dir, "messages.json", messages())
	write(*dir, "configurations.json", configurations())
	write(*dir, "scalars.json", scalars())
	write(*dir, "frames.json", frames())
	write(*dir, "odd.json", odd())
}
