(* Continuously differentiable functions of k parameters.

   F is C1 at th0 if it is (Frechet) differentiable at every point near th0 and its partial derivatives
   are continuous at th0.  The class contains constants and coordinates and is closed under sums, products,
   quotients (where the denominator is not zero) and composition with a function of one variable whose
   derivative exists near, and is continuous at, the value met at th0.  So a network built from these is C1
   at th0: everywhere for smooth activations; away from the kinks for piecewise smooth ones. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Curves.
Open Scope R_scope.

Definition C1_at (k : nat) (F : vec -> R) (x0 : vec) : Prop :=
  nbhd k x0 (differentiable k F) /\ forall j, (j < k)%nat -> continuous_at k (fun x => grad F x j) x0.

(* ---------- neighbourhoods and continuity ---------- *)

Lemma nbhd_fin k x0 N (P : nat -> vec -> Prop) : (forall i, (i < N)%nat -> nbhd k x0 (P i)) ->
  nbhd k x0 (fun y => forall i, (i < N)%nat -> P i y).
Proof.
  induction N as [|N IH]; intros HP.
  - exists 1. split; [exact Rlt_0_1|]. intros y _ i Hi. lia.
  - assert (H1 : nbhd k x0 (fun y => forall i, (i < N)%nat -> P i y)) by (apply IH; intros; apply HP; lia).
    assert (H2 : nbhd k x0 (P N)) by (apply HP; lia).
    generalize (filter_and _ _ H1 H2). apply filter_imp; intros y [A B] i Hi.
    destruct (Nat.eq_dec i N) as [-> | Hne]; [exact B | apply A; lia].
Qed.

Lemma continuous_at_lim k F x0 : continuous_at k F x0 <-> filterlim F (nbhd k x0) (locally (F x0)).
Proof.
  split.
  - intros Hc. apply filterlim_locally. intros eps. exact (Hc eps (cond_pos eps)).
  - intros Hl e He. exact (proj1 (filterlim_locally F (F x0)) Hl (mkposreal e He)).
Qed.

Lemma continuous_at_ext_loc k F F' x0 :
  continuous_at k F x0 -> nbhd k x0 (fun y => F y = F' y) -> continuous_at k F' x0.
Proof.
  intros Hc He e H0. pose proof (nbhd_here _ _ _ He) as E0. cbv beta in E0. rewrite <- E0.
  generalize (filter_and _ _ (Hc e H0) He). apply filter_imp; intros y [A B]. rewrite <- B. exact A.
Qed.

Lemma continuous_at_const k c x0 : continuous_at k (fun _ => c) x0.
Proof. apply continuous_at_lim, filterlim_const. Qed.

Lemma continuous_at_plus k F F' x0 : continuous_at k F x0 -> continuous_at k F' x0 ->
  continuous_at k (fun x => F x + F' x) x0.
Proof.
  intros H1 H2. apply continuous_at_lim. apply continuous_at_lim in H1. apply continuous_at_lim in H2.
  exact (filterlim_comp_2 F F' Rplus H1 H2 (filterlim_plus (F x0) (F' x0))).
Qed.

Lemma continuous_at_mult k F F' x0 : continuous_at k F x0 -> continuous_at k F' x0 ->
  continuous_at k (fun x => F x * F' x) x0.
Proof.
  intros H1 H2. apply continuous_at_lim. apply continuous_at_lim in H1. apply continuous_at_lim in H2.
  exact (filterlim_comp_2 F F' Rmult H1 H2 (filterlim_mult (F x0) (F' x0))).
Qed.

Lemma continuous_at_comp1 k (phi : R -> R) F x0 : continuous phi (F x0) -> continuous_at k F x0 ->
  continuous_at k (fun x => phi (F x)) x0.
Proof.
  intros Hp HF. apply continuous_at_lim. apply continuous_at_lim in HF.
  exact (filterlim_comp _ _ _ F phi _ _ _ HF Hp).
Qed.

Lemma has_grad_continuous k F x0 G : has_grad k F x0 G -> continuous_at k F x0.
Proof.
  intros HG e He. pose proof (nrm_nonneg k G) as HN.
  destruct (HG 1 Rlt_0_1) as [r [Hr HB]].
  assert (Hs : 0 < e / (1 + nrm k G)) by (apply Rdiv_lt_0_compat; lra).
  exists (Rmin r (e / (1 + nrm k G))). split; [apply Rmin_pos; assumption|]. intros y Hy.
  pose proof (Rlt_le_trans _ _ _ Hy (Rmin_l _ _)) as Y1.
  pose proof (Rlt_le_trans _ _ _ Hy (Rmin_r _ _)) as Y2.
  pose proof (HB y Y1) as A. pose proof (cauchy_schwarz k G (vsub y x0)) as C.
  replace (F y - F x0) with ((F y - F x0 - dot k G (vsub y x0)) + dot k G (vsub y x0)) by ring.
  apply Rle_lt_trans with (1 := Rabs_triang _ _).
  apply Rle_lt_trans with ((1 + nrm k G) * nrm k (vsub y x0)); [lra|].
  apply (Rmult_lt_compat_l (1 + nrm k G)) in Y2; [|lra].
  replace ((1 + nrm k G) * (e / (1 + nrm k G))) with e in Y2 by (field; lra). exact Y2.
Qed.

(* ---------- the class C1 and its rules ---------- *)

Lemma C1_intro k F x0 (G : vec -> vec) : nbhd k x0 (fun x => has_grad k F x (G x)) ->
  (forall j, (j < k)%nat -> continuous_at k (fun x => G x j) x0) -> C1_at k F x0.
Proof.
  intros HG Hc. split.
  - generalize HG. apply filter_imp; intros x Hx. exists (G x). exact Hx.
  - intros j Hj. apply continuous_at_ext_loc with (1 := Hc j Hj).
    generalize HG. apply filter_imp; intros x Hx. symmetry. exact (grad_eq k F x (G x) Hx j Hj).
Qed.

Lemma C1_grad k F x0 : C1_at k F x0 -> nbhd k x0 (fun x => has_grad k F x (grad F x)).
Proof. intros [Hd _]. generalize Hd. apply filter_imp; intros x Hx. exact (grad_has k F x Hx). Qed.

Lemma C1_continuous k F x0 : C1_at k F x0 -> continuous_at k F x0.
Proof. intros HF. exact (has_grad_continuous _ _ _ _ (nbhd_here _ _ _ (C1_grad _ _ _ HF))). Qed.

Lemma C1_const k c x0 : C1_at k (fun _ => c) x0.
Proof.
  apply C1_intro with (fun _ _ => 0).
  - apply filter_forall; intros x. apply has_grad_const.
  - intros j _. apply continuous_at_const.
Qed.

Lemma C1_coord k j x0 : (j < k)%nat -> C1_at k (fun x => x j) x0.
Proof.
  intros Hj. apply C1_intro with (fun _ => delta j).
  - apply filter_forall; intros x. apply has_grad_coord; exact Hj.
  - intros i _. apply continuous_at_const.
Qed.

Lemma C1_plus k F F' x0 : C1_at k F x0 -> C1_at k F' x0 -> C1_at k (fun x => F x + F' x) x0.
Proof.
  intros H1 H2. apply C1_intro with (fun x j => grad F x j + grad F' x j).
  - generalize (filter_and _ _ (C1_grad _ _ _ H1) (C1_grad _ _ _ H2)).
    apply filter_imp; intros x [A B]. exact (has_grad_plus _ _ _ _ _ _ A B).
  - intros j Hj. apply continuous_at_plus; [exact (proj2 H1 j Hj) | exact (proj2 H2 j Hj)].
Qed.

Lemma C1_mult k F F' x0 : C1_at k F x0 -> C1_at k F' x0 -> C1_at k (fun x => F x * F' x) x0.
Proof.
  intros H1 H2. apply C1_intro with (fun x j => grad F x j * F' x + F x * grad F' x j).
  - generalize (filter_and _ _ (C1_grad _ _ _ H1) (C1_grad _ _ _ H2)).
    apply filter_imp; intros x [A B]. exact (has_grad_mult _ _ _ _ _ _ A B).
  - intros j Hj. apply continuous_at_plus; apply continuous_at_mult.
    + exact (proj2 H1 j Hj).
    + exact (C1_continuous _ _ _ H2).
    + exact (C1_continuous _ _ _ H1).
    + exact (proj2 H2 j Hj).
Qed.

Lemma C1_scal k c F x0 : C1_at k F x0 -> C1_at k (fun x => c * F x) x0.
Proof. intros HF. exact (C1_mult k (fun _ => c) F x0 (C1_const k c x0) HF). Qed.

Lemma C1_sum k n (F : nat -> vec -> R) x0 : (forall i, (i < n)%nat -> C1_at k (F i) x0) ->
  C1_at k (fun x => rsum n (fun i => F i x)) x0.
Proof.
  induction n as [|n IH]; intros HF; cbn [rsum]; [apply C1_const|].
  apply (C1_plus k (fun x => rsum n (fun i => F i x)) (F n)); [|apply HF; lia].
  apply IH; intros; apply HF; lia.
Qed.

Lemma C1_comp1 k (phi phi' : R -> R) F x0 :
  locally (F x0) (fun c => is_derive phi c (phi' c)) -> continuous phi' (F x0) ->
  C1_at k F x0 -> C1_at k (fun x => phi (F x)) x0.
Proof.
  intros Hp Hc HF. apply C1_intro with (fun x j => phi' (F x) * grad F x j).
  - pose proof (proj1 (continuous_at_lim k F x0) (C1_continuous k F x0 HF) _ Hp) as H1.
    unfold filtermap in H1. generalize (filter_and _ _ H1 (C1_grad _ _ _ HF)).
    apply filter_imp; intros x [A B]. exact (has_grad_comp1 k phi _ F x _ A B).
  - intros j Hj. apply continuous_at_mult; [|exact (proj2 HF j Hj)].
    exact (continuous_at_comp1 k phi' F x0 Hc (C1_continuous k F x0 HF)).
Qed.

Lemma C1_inv k F x0 : F x0 <> 0 -> C1_at k F x0 -> C1_at k (fun x => / F x) x0.
Proof.
  intros Hn HF. apply (C1_comp1 k Rinv (fun c => - / (c * c)) F x0); [| | exact HF].
  - assert (Hr : 0 < Rabs (F x0)) by (apply Rabs_pos_lt; exact Hn).
    exists (mkposreal _ Hr). intros c Hb.
    assert (Hc : c <> 0).
    { intros ->. change (Rabs (0 - F x0) < Rabs (F x0)) in Hb.
      replace (0 - F x0) with (- F x0) in Hb by ring. rewrite Rabs_Ropp in Hb. lra. }
    auto_derive; [exact Hc | field; exact Hc].
  - apply (ex_derive_continuous (fun c => - / (c * c))). auto_derive.
    apply Rmult_integral_contrapositive_currified; exact Hn.
Qed.

Lemma C1_div k F F' x0 : F' x0 <> 0 -> C1_at k F x0 -> C1_at k F' x0 -> C1_at k (fun x => F x / F' x) x0.
Proof. intros Hn H1 H2. exact (C1_mult k F (fun x => / F' x) x0 H1 (C1_inv k F' x0 Hn H2)). Qed.
