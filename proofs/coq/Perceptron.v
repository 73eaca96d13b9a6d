From Coq Require Import Reals Lra Lia Arith List.
From Subtheory Require Import Vectors.
Open Scope R_scope.

(* A multilayer perceptron: din inputs, a list of widths, all parameters in one vector th, read from an offset.
   A layer of d units on din inputs takes d * din weights, row by row, and then d biases. *)
Fixpoint nparams (din : nat) (widths : list nat) : nat :=
  match widths with nil => 0%nat | d :: rest => (d * din + d + nparams d rest)%nat end.
Fixpoint outdim (din : nat) (widths : list nat) : nat :=
  match widths with nil => din | d :: rest => outdim d rest end.
Definition affine (din d off : nat) (th x : vec) : vec :=
  fun i => rsum din (fun j => th (off + i * din + j)%nat * x j) + th (off + d * din + i)%nat.
(* the activation stands between layers, not after the last *)
Fixpoint mlp (act : R -> R) (din : nat) (widths : list nat) (off : nat) (th x : vec) : vec :=
  match widths with
  | nil => x
  | d :: rest =>
      match rest with
      | nil => affine din d off th x
      | _ => mlp act d rest (off + (d * din + d))%nat th (fun i => act (affine din d off th x i))
      end
  end.
