// Judges histories of a key-value store with porcupine: a line of JSON in, a word out. So our own
// checker can be compared with one that many have used.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

const maxLineBytes = 1 << 24

// What a client asked.
type input struct {
	Op    string  `json:"op"`
	Key   string  `json:"key"`
	Value string  `json:"value"`
	From  *string `json:"from"`
	To    string  `json:"to"`
}

// One operation. Without an answer its outcome is unknown.
type operation struct {
	Input    input   `json:"input"`
	CalledAt float64 `json:"calledAt"`
	Answer   *struct {
		At     float64         `json:"at"`
		Output json.RawMessage `json:"output"`
	} `json:"answer"`
}

// What was answered, as JSON; empty when that is unknown or says nothing.
type output string

func quote(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		log.Fatal(err)
	}
	return string(encoded)
}

// The state is the value as JSON, "null" when there is none.
func textOf(state string) string {
	text := ""
	if state != "null" {
		if err := json.Unmarshal([]byte(state), &text); err != nil {
			log.Fatal(err)
		}
	}
	return text
}

func step(state string, in input) (next string, answer string) {
	switch in.Op {
	case "get":
		return state, state
	case "set":
		return quote(in.Value), state
	case "append":
		longer := quote(textOf(state) + in.Value)
		return longer, longer
	case "delete":
		return "null", state
	case "cas":
		from := "null"
		if in.From != nil {
			from = quote(*in.From)
		}
		if from != state {
			return state, "false"
		}
		return quote(in.To), "true"
	}
	log.Fatalf("unknown op %q", in.Op)
	return "", ""
}

var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(input).Key
			byKey[key] = append(byKey[key], op)
		}
		parts := [][]porcupine.Operation{}
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() interface{} { return "null" },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		next, answer := step(state.(string), in.(input))
		observed := string(out.(output))
		return observed == "" || observed == answer, next
	},
}

// Times are of a millisecond or more; a thousandth keeps those apart that a test has shifted.
func instant(at float64) int64 {
	return int64(math.Round(at * 1000))
}

func historyOf(operations []operation) []porcupine.Operation {
	history := make([]porcupine.Operation, 0, len(operations))
	for client, op := range operations {
		one := porcupine.Operation{
			ClientId: client,
			Input:    op.Input,
			Call:     instant(op.CalledAt),
			Output:   output(""),
			Return:   math.MaxInt64,
		}
		if op.Answer != nil {
			one.Return = instant(op.Answer.At)
			one.Output = output(op.Answer.Output)
		}
		history = append(history, one)
	}
	return history
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		var operations []operation
		if err := json.Unmarshal(lines.Bytes(), &operations); err != nil {
			log.Fatal(err)
		}
		switch porcupine.CheckOperationsTimeout(model, historyOf(operations), time.Minute) {
		case porcupine.Ok:
			fmt.Println("linearizable")
		case porcupine.Illegal:
			fmt.Println("broken")
		default:
			fmt.Println("undecided")
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
