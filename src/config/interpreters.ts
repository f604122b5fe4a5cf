/** Flags of a program that runs other programs' text. What stands in no column is taken to be a switch without a value. */
export type Interpreter = {
  readonly program: RegExp;
  /** Flags by which it takes its program from the command line. */
  readonly code: RegExp;
  /** Flags by which it takes in further code before the program begins. */
  readonly loads?: RegExp;
  /** Flags that take the next argument. */
  readonly valued?: RegExp;
  /** The flag after which everything is the program's. */
  readonly last?: RegExp;
  /** Flags by which it opens itself to a debugger. */
  readonly debugs?: RegExp;
  /** Flags by which the program is something else than the first word, or there is none: `-m`. */
  readonly instead?: RegExp;
};

export const interpreters: readonly Interpreter[] = [
  {
    program: /^(node|nodejs|tsx|ts-node)$/,
    code: /^(-e|-p|-pe|--eval|--print)$/,
    loads: /^(-r|--require|--import|--loader|--experimental-loader)$/,
    valued:
      /^(-[erpC]|-pe|--(eval|print|require|import|loader|experimental-loader|conditions|title|icu-data-dir|openssl-config|diagnostic-dir|redirect-warnings|input-type))$/,
    debugs: /^--(inspect|inspect-brk|inspect-wait|inspect-port|debug-port)$/,
    instead: /^(--(test|run|watch-path|check|version|help|build-snapshot)|-[cvh])$/,
  },
  {
    program: /^bun$/,
    code: /^(-e|-p|--eval|--print)$/,
    loads: /^(-r|--preload|--require|--import)$/,
    valued: /^(-[erp]|--(eval|print|preload|require|import|cwd|config|env-file))$/,
    debugs: /^--inspect(-brk|-wait)?$/,
  },
  {
    program: /^(sh|bash|dash|ash|zsh|ksh|mksh|fish)$/,
    // Of a bundle such as -lc, too.
    code: /^-[a-zA-Z]*c[a-zA-Z]*$|^--command$/,
    loads: /^--(rcfile|init-file|init-command)$/,
    valued: /^(-[oO]|--(rcfile|init-file|init-command))$/,
  },
  {
    program: /^(python|python\d[\d.]*t?|pypy|pypy\d[\d.]*)$/,
    code: /^-[a-zA-Z]*c$/,
    valued: /^-[a-zA-Z]*[WXmc]$/,
    last: /^-[a-zA-Z]*[mc]$/,
    instead: /^-[a-zA-Z]*m|^-V$|^--(version|help)$/,
  },
  {
    program: /^perl$/,
    code: /^-[acdflnpstuvwW0-9]*[eE]/,
    loads: /^-[MmI]/,
    valued: /^-[acdflnpstuvwW0-9]*[eE]$|^-I$/,
  },
  {
    program: /^ruby$/,
    code: /^-[acdlnpsvwW0-9]*e/,
    loads: /^-[rI]/,
    valued: /^-[acdlnpsvwW0-9]*e$|^-[rI]$/,
  },
  {
    program: /^php\d?[\d.]*$/,
    code: /^(-[rRB]|--(run|process-code))/,
    valued: /^-[rRBdcft]$/,
    instead: /^-f/,
  },
  { program: /^(lua|luajit|lua\d[\d.]*)$/, code: /^-e/, loads: /^-l/, valued: /^-[el]$/ },
  {
    program: /^(pwsh|powershell)$/,
    code: /^-(c|command|commandwithargs|e|ec|encodedcommand)$/i,
    valued: /^-\w+$/,
    instead: /^-f/i,
  },
  { program: /^(Rscript|julia|elixir|osascript)$/, code: /^(-[eE]|--eval|--print)/, valued: /^-[eE]$/ },
];
