// What is wider than its column scrolls by itself (book.css); so that keys can scroll it too, it takes the focus.
addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  for (const node of document.querySelectorAll(".bd-article :is(mjx-container, pre, table, .math, .output, .cell_output)"))
    if (node.scrollWidth > node.clientWidth || node.scrollHeight > node.clientHeight) node.tabIndex = 0;
  document.documentElement.dataset.settled = "yes"; // for the tests
});
