// The Go client of RocketMQ behind commands on stdin and a journal on stdout, one JSON object a line, as the Java program
// beside it (java/): {"call": 1, "do": "push", "as": "c1", …} is answered with {"call": 1, "result": …} or with an error,
// and what clients do meanwhile stands between the answers. It ends with its input.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// A command may name many properties, but no bodies: those follow from numbers.
const lineBytesMax = 1 << 20

func main() {
	rlog.SetLogLevel("error")
	journal := newJournal(os.Stdout)
	clients := newClients(journal)
	commands := clients.commands()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, lineBytesMax)
	for lines.Scan() {
		call := arguments{}
		if err := json.Unmarshal(lines.Bytes(), &call); err != nil {
			fmt.Fprintln(os.Stderr, "not a command:", err)
			os.Exit(1)
		}
		// Beside one another, so that a long send does not hold up the others.
		go answer(call, commands, journal)
	}
	clients.stopAll()
}

type command func(arguments) (any, error)

func answer(call arguments, commands map[string]command, journal *journal) {
	run, known := commands[call.text("do", "")]
	if !known {
		journal.line(map[string]any{"call": call["call"], "error": "no command is called " + call.text("do", "")})
		return
	}
	result, err := run(call)
	if err != nil {
		journal.line(map[string]any{"call": call["call"], "error": err.Error()})
		return
	}
	if result == nil {
		result = struct{}{}
	}
	journal.line(map[string]any{"call": call["call"], "result": result})
}
