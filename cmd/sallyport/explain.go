package main

import (
	"fmt"
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
				_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.Join(docs.Codes(), "\n"))
				return err
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
	return ": did you mean " + strings.Join(near[:min(3, len(near))], ", ") + "?"
}
