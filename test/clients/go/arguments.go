package main

import "fmt"

// The arguments of one command.
type arguments map[string]any

func (call arguments) text(name, otherwise string) string {
	value, there := call[name]
	if !there || value == nil {
		return otherwise
	}
	return fmt.Sprint(value)
}

func (call arguments) number(name string, otherwise int) int {
	if value, there := call[name].(float64); there {
		return int(value)
	}
	return otherwise
}

func (call arguments) has(name string) bool {
	return call[name] != nil
}

func (call arguments) on(name string) bool {
	value, _ := call[name].(bool)
	return value
}

// Which of the values of a list the message of that number takes; nothing where the list has null or is missing.
func inTurn(list any, id int) (string, bool) {
	values, _ := list.([]any)
	if len(values) == 0 {
		return "", false
	}
	value, there := values[id%len(values)].(string)
	return value, there
}
