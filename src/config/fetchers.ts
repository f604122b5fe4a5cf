/** A program that fetches a package and runs it. */
export type Fetcher = {
  readonly program: RegExp;
  /** Words that must come first: `npm exec`. */
  readonly verbs?: readonly RegExp[];
  /** Name under which it is known. */
  readonly by: string;
  readonly valued: (flag: string) => boolean;
  /** Flags whose value is the package to run, instead of the first word. */
  readonly names: RegExp;
  /** Flags whose value is one more package. */
  readonly adds?: RegExp;
  readonly shell?: RegExp;
  readonly load?: RegExp;
  /** Flags whose value is the folder where fetched packages are kept. */
  readonly caches?: RegExp;
  readonly pinned: RegExp;
  readonly example: string;
};

/** A path is no version at all, and what lies there is the owner's own. */
const npmPinned =
  /^(@[^@/]+\/)?[^@/:]+@(npm:(@[^@/]+\/)?[^@/]+@)?=?v?\d+\.\d+\.\d+(?:[-+][\w.+-]*)?$|^(file:|\.{0,2}\/)|#[0-9a-f]{40}$/;
const pythonPinned = /^[\w.[\],-]+\s*(={2,3}|@)\s*\d[\w.+!-]*$|^(file:|\.{0,2}\/)|@[0-9a-f]{40}(#.*)?$/;
const npmExample = 'package@1.2.3';
const pythonExample = 'package==1.2.3';

/**
 * Switches of npm's command line, which take no value; like npx itself we take every other flag to have one. Their names are
 * those of npm 11.
 */
const npmSwitches = new Set(
  `all allow-same-version audit bin-links color commit-hooks description dev dry-run engine-strict force foreground-scripts
   fund git-tag-version global global-style if-present ignore-scripts include-staged include-workspace-root install-links
   json legacy-bundling legacy-peer-deps link long offline omit-lockfile-registry-resolved optional package-lock
   package-lock-only parseable prefer-dedupe prefer-offline prefer-online production progress provenance read-only
   rebuild-bundle save save-bundle save-dev save-exact save-optional save-peer save-prod shrinkwrap strict-peer-deps
   strict-ssl timing unicode update-notifier usage version versions workspaces workspaces-update yes no-install quiet q y n
   no d dd ddd s silent verbose desc help local porcelain readonly iwr ws a f g l S B D E O P h H v always-spawn
   ignore-existing shell-auto-fallback`.split(/\s+/),
);
function npmValued(flag: string): boolean {
  const name = flag.replace(/^-+/, '');
  return !npmSwitches.has(name) && !(name.startsWith('no-') && npmSwitches.has(name.slice(3)));
}
const npmLoads = /^--(node-options|script-shell|prefix|userconfig|globalconfig|registry|reg)$|^-C$/;

const uvValued = (flag: string) =>
  /^(--(from|with|with-editable|with-requirements|python|index|default-index|index-url|extra-index-url|find-links|constraints|build-constraints|overrides|env-file|refresh-package|upgrade-package|resolution|prerelease|fork-strategy|exclude-newer|link-mode|python-platform|torch-backend|cache-dir|directory|project|package|extra|group|only-group|no-group|config-file|config-setting|color|keyring-provider|index-strategy|allow-insecure-host|reinstall-package|no-binary-package|no-build-package|no-build-isolation-package)|-[wpcbifPCm])$/.test(
    flag,
  );
const uvAdds = /^(--with|-w|--with-editable)$/;
const uvLoads =
  /^(--index|--default-index|--index-url|-i|--extra-index-url|--find-links|-f|--with-requirements)$/;

export const fetchers: readonly Fetcher[] = [
  {
    program: /^npx$/,
    by: 'npx',
    valued: npmValued,
    names: /^(-p|--package)$/,
    shell: /^(-c|--call)$/,
    load: npmLoads,
    caches: /^--cache$/,
    pinned: npmPinned,
    example: npmExample,
  },
  {
    program: /^npm$/,
    verbs: [/^(exec|x)$/],
    by: 'npm exec',
    valued: npmValued,
    names: /^--package$/,
    shell: /^(-c|--call)$/,
    load: npmLoads,
    caches: /^--cache$/,
    pinned: npmPinned,
    example: npmExample,
  },
  {
    program: /^bunx$/,
    by: 'bunx',
    valued: (flag) => /^(-p|--package)$/.test(flag),
    names: /^(-p|--package)$/,
    pinned: npmPinned,
    example: npmExample,
  },
  {
    program: /^bun$/,
    verbs: [/^x$/],
    by: 'bunx',
    valued: (flag) =>
      /^(-[epr]|--(package|eval|print|cwd|config|preload|require|import|env-file))$/.test(flag),
    names: /^(-p|--package)$/,
    pinned: npmPinned,
    example: npmExample,
  },
  {
    program: /^pnpx$/,
    by: 'pnpm dlx',
    valued: (flag) => /^(--package|-C|--dir|--reporter|--loglevel|--allow-build)$/.test(flag),
    names: /^--package$/,
    shell: /^(-c|--shell-mode)$/,
    pinned: npmPinned,
    example: npmExample,
  },
  {
    program: /^pnpm$/,
    verbs: [/^dlx$/],
    by: 'pnpm dlx',
    valued: (flag) => /^(--package|-C|--dir|--reporter|--loglevel|--allow-build)$/.test(flag),
    names: /^--package$/,
    shell: /^(-c|--shell-mode)$/,
    pinned: npmPinned,
    example: npmExample,
  },
  {
    program: /^yarn$/,
    verbs: [/^dlx$/],
    by: 'yarn dlx',
    valued: (flag) => /^(-p|--package)$/.test(flag),
    names: /^(-p|--package)$/,
    pinned: npmPinned,
    example: npmExample,
  },
  {
    program: /^uvx$/,
    by: 'uvx',
    valued: uvValued,
    names: /^--from$/,
    adds: uvAdds,
    load: uvLoads,
    pinned: pythonPinned,
    example: pythonExample,
  },
  {
    program: /^uv$/,
    verbs: [/^tool$/, /^run$/],
    by: 'uvx',
    valued: uvValued,
    names: /^--from$/,
    adds: uvAdds,
    load: uvLoads,
    pinned: pythonPinned,
    example: pythonExample,
  },
  {
    program: /^uv$/,
    verbs: [/^run$/],
    by: 'uv run',
    valued: uvValued,
    names: /^$/,
    adds: uvAdds,
    load: uvLoads,
    pinned: pythonPinned,
    example: pythonExample,
  },
  {
    program: /^pipx$/,
    verbs: [/^run$/],
    by: 'pipx',
    valued: (flag) => /^--(spec|python|pip-args|index-url|with)$|^-i$/.test(flag),
    names: /^--spec$/,
    adds: /^--with$/,
    pinned: pythonPinned,
    example: pythonExample,
  },
  {
    program: /^(docker|podman|nerdctl)$/,
    verbs: [/^run$/],
    by: 'docker',
    valued: dockerValued,
    names: /^$/,
    pinned: /@sha256:[0-9a-f]{64}$/,
    example: 'image@sha256:…',
  },
  {
    program: /^deno$/,
    verbs: [/^(run|x)$/],
    by: 'deno',
    valued: (flag) => /^(-c|--config|--import-map|--lock|--cert|--seed|-L|--log-level|--preload)$/.test(flag),
    names: /^$/,
    pinned:
      /^(npm|jsr):\/?(@[^@/]+\/)?[^@/]+@\d+\.\d+\.\d+[\w.+-]*|^https?:.*@v?\d+\.\d+\.\d+|^(?!npm:|jsr:|https?:)/,
    example: 'npm:package@1.2.3',
  },
  {
    program: /^go$/,
    verbs: [/^run$/],
    by: 'go run',
    valued: (flag) => /^-(exec|C|mod|modfile|overlay|p|tags|ldflags|gcflags|asmflags)$/.test(flag),
    names: /^$/,
    pinned: /@(v\d+\.\d+\.\d+\S*|[0-9a-f]{12,40})$|^[^@]*$/,
    example: 'module/path@v1.2.3',
  },
  {
    program: /^dnx$/,
    by: 'dnx',
    valued: (flag) => /^(-s|--source|--add-source|--configfile|-v|--verbosity|--version)$/.test(flag),
    names: /^$/,
    pinned: /@\d+\.\d+\.\d+[\w.+-]*$/,
    example: 'Package@1.2.3',
  },
];

/** Docker's short switches may stand together, and of a bundle the last letter may take a value. */
function dockerValued(flag: string): boolean {
  if (flag.startsWith('--'))
    return !/^--(interactive|tty|detach|rm|init|privileged|read-only|publish-all|no-healthcheck|oom-kill-disable|sig-proxy|disable-content-trust|quiet|help|replace|tls-verify)$/.test(
      flag,
    );
  return /^-[itdPq]*[^itdPq]$/.test(flag);
}
