package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/docs"
)

func newExplain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CAUSE]",
		Short: "Say what a cause means, how to see it by hand, and what mends it",
		Example: "  sallyport explain cert.expired\n" +
			"  sallyport explain            # every cause there is",
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return docs.Codes(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listCauses(cmd.OutOrStdout())
			}
			page, ok := docs.Explain(args[0])
			if !ok {
				return fmt.Errorf("%q is not a cause%s; `sallyport explain` lists them all",
					args[0], didYouMean(args[0], docs.Codes()))
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), page)
			return err
		},
	}
}

// listCauses writes each cause and, in a line, what it means: the heading of its page.
func listCauses(w io.Writer) error {
	for _, code := range docs.Codes() {
		page, _ := docs.Explain(code)
		heading, _, _ := strings.Cut(page, "\n")
		_, meaning, _ := strings.Cut(heading, " — ")
		if _, err := fmt.Fprintf(w, "%-30s %s\n", code, meaning); err != nil {
			return err
		}
	}
	return nil
}

// didYouMean is a hint at the candidates that hold the word or are held by it, empty when there is none.
func didYouMean(word string, candidates []string) string {
	var near []string
	for _, c := range candidates {
		if strings.Contains(c, word) || strings.HasSuffix(c, "."+word[strings.LastIndexByte(word, '.')+1:]) {
			near = append(near, c)
		}
	}
	if len(near) == 0 || word == "" {
		return ""
	}
	return " (did you mean " + strings.Join(near[:min(3, len(near))], ", ") + "?)"
}
