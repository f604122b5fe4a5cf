// The official clients, in every era, meet servers of every era: over stdio, through `mcpd connect`.
import { describe } from 'node:test';
import { tellDoor } from './table.ts';

describe('every era meets every other over stdio', () => tellDoor('stdio'));
