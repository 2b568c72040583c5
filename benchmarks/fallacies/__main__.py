"""All recipes, one after the other."""

from benchmarks.fallacies import bounce, cut_by_row, labelled_only, shuffled_split, tuned_on_test

if __name__ == "__main__":
    for recipe in (shuffled_split, tuned_on_test, cut_by_row, labelled_only, bounce):
        print(recipe.find(), flush=True)
